"""Who may log in, and what they may do."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ftps_operator.models.base import CidrText, Model, ObjectName, Rule, exactly_one, keyed_by
from ftps_operator.models.quantity import Quantity, whole
from ftps_operator.models.tls import DataSessionReuse

DirectoryPath = Annotated[str, Field(pattern=r"^/", max_length=1024)]
MAX_LOGIN_LENGTH = 64
LoginName = Annotated[str, Field(max_length=MAX_LOGIN_LENGTH, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._@-]*$")]
LEAST_RATE = 1024


class PasswordSecretRef(Model):
    """A Secret with a password in plain text. Only its hash reaches the server."""

    name: ObjectName
    key: str = Field(default="password", min_length=1)


class PasswordHashSecretRef(Model):
    """A Secret with an argon2id (`$argon2id$…`), bcrypt (`$2b$…`) or SHA-512-crypt (`$6$…`) hash."""

    name: ObjectName
    key: str = Field(default="passwordHash", min_length=1)


class ClientCertificate(Model):
    """A client certificate in place of a password."""

    subject: str = Field(min_length=1)
    """What `tls.clientAuth.userFrom` must yield."""


class PermissionsPreset(StrEnum):
    """What a user may do. WriteOnly: upload and make directories; nothing is listed, read, replaced or deleted."""

    NONE = "None"
    READ_ONLY = "ReadOnly"
    WRITE_ONLY = "WriteOnly"
    READ_WRITE = "ReadWrite"


class DirectoryPermissions(Model):
    """Other permissions for one directory and what is below it."""

    path: Annotated[str, Field(pattern=r"^/", max_length=512)]
    """As the user sees it: `/` is the home directory."""
    preset: PermissionsPreset

    rules = (
        Rule(
            "!self.path.contains('/../') && !self.path.endsWith('/..')",
            "path must not contain '..'",
            lambda self: ".." not in self.path.split("/"),
        ),
    )


class Permissions(Model):
    """What a user may do below its home directory."""

    preset: PermissionsPreset = PermissionsPreset.READ_WRITE
    directories: Annotated[list[DirectoryPermissions], Field(max_length=32, json_schema_extra=keyed_by("path"))] = []
    """The longest path wins."""


class Quota(Model):
    """What a home directory may hold; no limit where nothing is said."""

    bytes: Quantity | None = None
    files: int | None = Field(default=None, ge=0)


def _is_no_trickle(self: "Bandwidth") -> bool:
    return all(rate is None or whole(rate) >= LEAST_RATE for rate in (self.upload, self.download))


class Bandwidth(Model):
    """Bytes a second; no limit where nothing is said."""

    upload: Quantity | None = None
    download: Quantity | None = None

    rules = (
        Rule(
            " && ".join(
                f"(!has(self.{way}) || !quantity(string(self.{way})).isLessThan(quantity('1Ki')))"
                for way in ("upload", "download")
            ),
            "upload and download must be 1Ki or more",
            _is_no_trickle,
        ),
    )


class UserFields(Model):
    """What a user listed in a server and an FtpsUser have in common."""

    password_secret_ref: PasswordSecretRef | None = None
    password_hash_secret_ref: PasswordHashSecretRef | None = None
    client_certificate: ClientCertificate | None = None
    home_directory: DirectoryPath | None = None
    """Absolute, within the storage; `/<name>` where nothing is said. Made at the first login."""
    permissions: Permissions = Permissions()
    quota: Quota | None = None
    bandwidth: Bandwidth | None = None
    """For all sessions of the user together."""
    max_sessions: int | None = Field(default=None, ge=1)
    """Sessions at a time in one replica; no limit where nothing is said."""
    allowed_cidrs: list[CidrText] | None = Field(default=None, min_length=1, max_length=64, alias="allowedCIDRs")
    """Where the user may log in from; from anywhere where nothing is said."""
    data_session_reuse: DataSessionReuse | None = None
    """As `tls.dataSessionReuse` where nothing is said."""

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one(
            "password_secret_ref",
            "password_hash_secret_ref",
            "client_certificate",
            message="exactly one of passwordSecretRef, passwordHashSecretRef, clientCertificate must be set",
        ),
        Rule(
            "!has(self.homeDirectory) || !('..' in self.homeDirectory.split('/'))",
            "homeDirectory must not contain '..'",
            lambda self: self.home_directory is None or ".." not in self.home_directory.split("/"),
        ),
    )


class User(UserFields):
    """One user of a server."""

    name: LoginName
    """What the client logs in with."""
