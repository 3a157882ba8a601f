"""The files that configure a server: their schema, and how they are read.

The operator writes these files, the server reads them; this module is the one thing that both import.

    <directory>/config/server.json    ServerConfig     read at start; a change needs a new process
    <directory>/config/address.json   AddressConfig    reloaded while sessions go on
    <directory>/users/users.json      UsersConfig      reloaded while sessions go on
    <directory>/tls/tls.crt, tls.key  PEM              reloaded while sessions go on

The passive ports are no part of them: every pod of a server has ports of its own, so they come with the command line.
"""

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path, PurePosixPath
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

CONFIG_DIRECTORY = Path("/etc/ftps-server")
SERVER_FILE = PurePosixPath("config/server.json")
ADDRESS_FILE = PurePosixPath("config/address.json")
USERS_FILE = PurePosixPath("users/users.json")
CERTIFICATE_FILE = PurePosixPath("tls/tls.crt")
PRIVATE_KEY_FILE = PurePosixPath("tls/tls.key")

# Above 1024: the server has no capabilities. A Service maps 21 and 990 to these.
EXPLICIT_PORT = 2121
IMPLICIT_PORT = 9990
ADMIN_PORT = 8080

Port = Annotated[int, Field(ge=1, le=65535)]


class ConfigError(Exception):
    """A configuration file that cannot be used; the text names the file and the field's path."""


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, hide_input_in_errors=True
    )


def _is_inside_storage(path: str) -> str:
    """Accept an absolute path without `..`: it is taken relative to the storage's root."""
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise ValueError("must be an absolute path without '..'")
    return path


def _is_argon2id(text: str) -> str:
    if not text.startswith("$argon2id$"):
        raise ValueError("must be an argon2id hash in PHC format ($argon2id$…)")
    return text


class TlsVersion(StrEnum):
    """The oldest TLS version that is served."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class Permissions(StrEnum):
    """What a user may do below its home directory."""

    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"


class ListenerConfig(_Model):
    """One control port."""

    enabled: bool = True
    port: Port


class TlsConfig(_Model):
    """How TLS is served; the certificate and key are files of their own."""

    min_version: TlsVersion = TlsVersion.TLS_1_2
    ciphers: str | None = None
    """OpenSSL cipher list for TLS 1.2; None leaves OpenSSL's own."""


class LimitsConfig(_Model):
    """None means no limit."""

    max_sessions: int | None = Field(default=None, ge=1)
    max_sessions_per_address: int | None = Field(default=None, ge=1)
    max_login_attempts: int = Field(default=3, ge=1)
    """Failed logins after which a control connection is closed."""
    idle_timeout_seconds: int = Field(default=300, ge=1)
    """A session without command and without transfer is closed after this time."""


class ServerConfig(_Model):
    """`server.json`: what is settled when the process starts."""

    explicit: ListenerConfig = ListenerConfig(port=EXPLICIT_PORT)
    implicit: ListenerConfig = ListenerConfig(port=IMPLICIT_PORT)
    admin_port: Port = ADMIN_PORT
    """Probes and metrics, plain HTTP."""
    storage_directory: str = "/srv/ftps"
    tls: TlsConfig = TlsConfig()
    limits: LimitsConfig = LimitsConfig()
    drain_seconds: int = Field(default=25, ge=0)
    """How long after SIGTERM transfers may go on before they are cut."""

    @model_validator(mode="after")
    def _listens_somewhere(self) -> Self:
        if not (self.explicit.enabled or self.implicit.enabled):
            raise ValueError("explicit, implicit: at least one must be enabled")
        return self


class Announced(_Model):
    """An address that PASV announces: an IPv4 address, a host name (resolved, refreshed), or a variable holding one."""

    address: str | None = Field(default=None, min_length=1)
    environment: str | None = Field(default=None, min_length=1)
    """Name of an environment variable with the address (a pod's `status.hostIP` reaches it this way)."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.address is None) == (self.environment is None):
            raise ValueError("address, environment: exactly one must be set")
        return self


class AddressOverride(_Model):
    """Clients of these networks are told another address."""

    cidrs: tuple[IPv4Network | IPv6Network, ...] = Field(min_length=1)
    address: str = Field(min_length=1)


class AddressConfig(_Model):
    """`address.json`: what PASV announces. The first override that holds the client's address wins."""

    default: Announced | None = None
    """None: not known yet; PASV is answered 425, EPSV (which needs no address) works."""
    overrides: tuple[AddressOverride, ...] = ()


class UserConfig(_Model):
    """One user."""

    name: str = Field(min_length=1, max_length=64)
    password_hash: Annotated[str, AfterValidator(_is_argon2id)]
    home_directory: Annotated[str, AfterValidator(_is_inside_storage)]
    """Absolute, inside the storage; made at login where it is missing."""
    permissions: Permissions = Permissions.READ_WRITE


class UsersConfig(_Model):
    """`users.json`: everybody who may log in."""

    users: tuple[UserConfig, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: set[str] = set()
        for user in self.users:
            if user.name in seen:
                raise ValueError(f"users: the name {user.name!r} stands twice")
            seen.add(user.name)
        return self


class PassivePorts(_Model):
    """The inclusive range of passive ports that this process owns."""

    first: Port
    last: Port

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.last < self.first:
            raise ValueError("the first port must not be above the last")
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `50000-50019`, as the command line has it. Raises ConfigError."""
        first, separator, last = text.partition("-")
        if not (separator and first.isdecimal() and last.isdecimal()):
            raise ConfigError(f"passive ports {text!r}: expected FIRST-LAST")
        try:
            return cls(first=int(first), last=int(last))
        except ValidationError as error:
            raise ConfigError(f"passive ports {text!r}: {_describe(error)}") from None

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


M = TypeVar("M", bound=_Model)


def read(model: type[M], path: Path) -> M:
    """Read one JSON file. Raises ConfigError that names the file and each bad field, never a value."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {_describe(error)}") from None


def _describe(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or '(whole file)'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    )
