"""`users.json`: everybody who may log in."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ftps_server.config.base import InsidePath, Model, Network
from ftps_server.config.server import Bandwidth, DataSessionReuse

HASH_PREFIXES = ("$argon2id$", "$2b$", "$2a$", "$2y$", "$6$")


def _is_known_hash(text: str) -> str:
    if not text.startswith(HASH_PREFIXES):
        raise ValueError("must be an argon2id ($argon2id$…), bcrypt ($2b$…) or SHA-512-crypt ($6$…) hash")
    return text


class Permissions(StrEnum):
    """What a user may do below a directory."""

    NONE = "None"
    READ_ONLY = "ReadOnly"
    WRITE_ONLY = "WriteOnly"
    """Upload, and make directories; no listing, no download, nothing is overwritten, renamed or deleted."""
    READ_WRITE = "ReadWrite"


class DirectoryPermissions(Model):
    """Other permissions below a directory of the home; the longest path that holds wins."""

    path: InsidePath
    """As the user sees it: `/` is the home directory."""
    permissions: Permissions


class Quota(Model):
    """What a home directory may hold. None means no limit."""

    bytes: int | None = Field(default=None, ge=0)
    files: int | None = Field(default=None, ge=0)


class UserConfig(Model):
    """One user."""

    name: str = Field(min_length=1, max_length=64)
    """What the client logs in with."""
    password_hash: Annotated[str, AfterValidator(_is_known_hash)] | None = Field(default=None, repr=False)
    """Argon2id (`$argon2id$…`), bcrypt (`$2b$…`) or SHA-512-crypt (`$6$…`)."""
    client_certificate: str | None = Field(default=None, min_length=1)
    """A client certificate of this name (see `tls.clientAuth.userFrom`) logs the user in, without a password."""
    home_directory: InsidePath
    """Absolute, inside the storage; made at login where it is missing."""
    permissions: Permissions = Permissions.READ_WRITE
    directories: tuple[DirectoryPermissions, ...] = ()
    quota: Quota = Quota()
    bandwidth: Bandwidth = Bandwidth()
    """Of all the user's sessions together."""
    max_sessions: int | None = Field(default=None, ge=1)
    allowed_cidrs: tuple[Network, ...] | None = Field(default=None, min_length=1)
    """Where the user may log in from; None: anywhere."""
    data_session_reuse: DataSessionReuse | None = None
    """None: as the server has it."""

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if self.password_hash is None and self.client_certificate is None:
            raise ValueError("must have a password hash, or a client certificate")
        return self

    @model_validator(mode="after")
    def _directories_are_unique(self) -> Self:
        paths = [PurePosixPath(entry.path) for entry in self.directories]
        for path in paths:
            if paths.count(path) > 1:
                raise ValueError(f"directories: the path {str(path)!r} stands twice")
        return self


class UsersConfig(Model):
    """The names are unique."""

    users: tuple[UserConfig, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: set[str] = set()
        for user in self.users:
            if user.name in seen:
                raise ValueError(f"users: the name {user.name!r} stands twice")
            seen.add(user.name)
        return self
