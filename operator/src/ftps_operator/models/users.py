"""Who may log in, and what they may do."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ftps_operator.models.base import CidrText, Model, NotYet, ObjectName, Quantity, Rule, exactly_one
from ftps_operator.models.tls import DataSessionReuse

DirectoryPath = Annotated[str, Field(pattern=r"^/", max_length=1024)]


class PasswordSecretRef(Model):
    """A Secret with a password in plain text. Only its hash reaches the server."""

    name: ObjectName
    key: str = Field(default="password", min_length=1)


class PasswordHashSecretRef(Model):
    """A Secret with an argon2id hash in PHC format (`$argon2id$…`)."""

    name: ObjectName
    key: str = Field(default="passwordHash", min_length=1)


class ClientCertificate(Model):
    """A client certificate in place of a password."""

    subject: str = Field(min_length=1)
    """What `tls.clientAuth.userFrom` must yield."""


class PermissionsPreset(StrEnum):
    """What a user may do."""

    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"


class DirectoryPermissions(Model):
    """Other permissions for one directory and what is below it."""

    path: DirectoryPath
    preset: PermissionsPreset


class Permissions(Model):
    """What a user may do below its home directory."""

    preset: PermissionsPreset = PermissionsPreset.READ_WRITE
    directories: (
        Annotated[
            list[DirectoryPermissions],
            Field(max_length=64),
            NotYet("permissions per directory are not supported yet"),
        ]
        | None
    ) = None


class Quota(Model):
    """How much a user may store."""

    bytes: Quantity | None = None
    files: int | None = Field(default=None, ge=0)


class Bandwidth(Model):
    """Bytes a second."""

    upload: Quantity | None = None
    download: Quantity | None = None


class UserFields(Model):
    """What a user listed in a server and an FtpsUser have in common."""

    password_secret_ref: PasswordSecretRef | None = None
    password_hash_secret_ref: PasswordHashSecretRef | None = None
    client_certificate: Annotated[ClientCertificate | None, NotYet("client certificates are not supported yet")] = None
    home_directory: DirectoryPath | None = None
    """Absolute, within the storage; `/<name>` where nothing is said. Made at the first login."""
    permissions: Permissions = Permissions()
    quota: Annotated[Quota | None, NotYet("quotas are not supported yet")] = None
    bandwidth: Annotated[Bandwidth | None, NotYet("bandwidth limits are not supported yet")] = None
    max_sessions: Annotated[int | None, Field(ge=1), NotYet("maxSessions of a user is not supported yet")] = None
    allowed_cidrs: Annotated[
        list[CidrText] | None,
        Field(max_length=64, alias="allowedCIDRs"),
        NotYet("allowedCIDRs is not supported yet"),
    ] = None
    data_session_reuse: Annotated[
        DataSessionReuse | None, NotYet("dataSessionReuse of a user is not supported yet")
    ] = None

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

    name: str = Field(max_length=64, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._@-]*$")
    """What the client logs in with."""
