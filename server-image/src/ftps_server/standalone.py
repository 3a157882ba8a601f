"""A server that no operator looks after: one TOML file says everything."""

import tomllib
from pathlib import Path
from typing import Annotated, Self

from argon2 import PasswordHasher
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, model_validator
from pydantic.alias_generators import to_snake

from ftps_server.config import (
    HOOK_KEY_FILE,
    AddressConfig,
    AddressOverride,
    Announced,
    ConfigError,
    HooksConfig,
    ListenerConfig,
    PassiveConfig,
    PassivePorts,
    Port,
    ServerConfig,
    TlsConfig,
    UsersConfig,
)
from ftps_server.config.base import ListenAddress
from ftps_server.sources import Files

AUTO = "auto"

hash_password = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash
"""A hash as the operator makes them."""


def _beside_the_file(path: str, info: ValidationInfo) -> str:
    folder = info.context
    assert isinstance(folder, Path)  # noqa: S101 - see _read
    return str(folder / path)


FilePath = Annotated[str, Field(min_length=1, validate_default=True), AfterValidator(_beside_the_file)]


class ExplicitSettings(ListenerConfig):
    """Explicit FTPS: a session begins in clear, and becomes TLS by AUTH TLS before anybody logs in."""

    port: Port = 21


class ImplicitSettings(ListenerConfig):
    """Implicit FTPS: TLS from the first byte."""

    port: Port = 990


class PassiveSettings(PassiveConfig):
    """Passive mode (PASV, EPSV)."""

    first_port: Port = 50000
    """Data connections come to the ports from here …"""
    last_port: Port = 50019
    """… to here, this one included."""
    address: str = Field(default=AUTO, min_length=1)
    """What PASV announces: an IPv4 address, a host name, or `auto`, the address that the client connected to. Behind
    NAT or a load balancer it must be theirs."""
    address_overrides: tuple[AddressOverride, ...] = ()
    """The first that holds the client's address wins."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.last_port < self.first_port:
            raise ValueError("first_port, last_port: the first port must not be above the last")
        return self


class TlsSettings(TlsConfig):
    """TLS of control and data connections."""

    certificate: FilePath
    """PEM, the server's certificate first, then those that signed it."""
    private_key: FilePath
    """PEM, without a password."""
    client_ca: FilePath = "client-ca.crt"
    """PEM, who signs client certificates; read where `client_auth.mode` asks for them."""
    client_crl: FilePath = "client-ca.crl"
    """PEM, what they revoked; read where the file exists."""


class HooksSettings(HooksConfig):
    """Each completed upload is told to an HTTP server."""

    key_file: FilePath
    """Signs the events."""
    queue_directory: FilePath
    """Events wait here until they are delivered."""


class Settings(ServerConfig, UsersConfig):
    """The whole file."""

    explicit: ExplicitSettings = ExplicitSettings()
    implicit: ImplicitSettings = ImplicitSettings()
    storage_directory: FilePath = "/srv/ftps"
    """Must exist; the users' home directories are in it."""
    admin_address: ListenAddress | None = "127.0.0.1"
    """The address of this machine that probes and metrics are answered at."""
    passive: PassiveSettings = PassiveSettings()
    tls: TlsSettings
    hooks: HooksSettings | None = None


class TomlSources:
    """One TOML file. What is wrong in any part of it changes nothing of a server that runs."""

    def __init__(self, file: Path) -> None:
        """Read it once. Raises ConfigError."""
        self._file = file
        settings = self._read()
        _check_paths(file, settings)
        self.passive_ports = PassivePorts(first=settings.passive.first_port, last=settings.passive.last_port)
        self.files = Files(
            server=file,
            addresses=file,
            users=file,
            certificate=Path(settings.tls.certificate),
            private_key=Path(settings.tls.private_key),
            client_ca=Path(settings.tls.client_ca),
            client_crl=Path(settings.tls.client_crl),
            hook_key=Path(settings.hooks.key_file) if settings.hooks else file.parent / HOOK_KEY_FILE,
        )

    def server(self) -> ServerConfig:
        """What is read at start, and the limits."""
        return self._read()

    def addresses(self) -> AddressConfig:
        """What PASV announces."""
        passive = self._read().passive
        default = Announced(local=True) if passive.address == AUTO else Announced(address=passive.address)
        return AddressConfig(default=default, overrides=passive.address_overrides)

    def users(self) -> UsersConfig:
        """Who may log in."""
        return UsersConfig(users=self._read().users)

    def _read(self) -> Settings:
        try:
            content = tomllib.loads(self._file.read_text(encoding="utf-8"))
            # One spelling, TOML's: a setting in JSON's is unknown here.
            return Settings.model_validate(content, by_alias=False, by_name=True, context=self._file.parent)
        except OSError as error:
            raise ConfigError(f"{self._file}: {error.strerror}") from None
        except ValidationError as error:
            raise ConfigError(f"{self._file}: {_describe(error)}") from None
        except ValueError as error:
            raise ConfigError(f"{self._file}: not TOML: {error}") from None


def _check_paths(file: Path, settings: Settings) -> None:
    """What nobody else misses at the start."""
    if not Path(settings.storage_directory).is_dir():
        raise ConfigError(f"{file}: storage_directory: not a directory")
    if "client_crl" in settings.tls.model_fields_set and not Path(settings.tls.client_crl).is_file():
        # Without it the revoked would be let in; only the default may be missing.
        raise ConfigError(f"{file}: tls.client_crl: not a file")
    if settings.hooks is not None and not Path(settings.hooks.key_file).is_file():
        raise ConfigError(f"{file}: hooks.key_file: not a file")


def _describe(error: ValidationError) -> str:
    """Each bad setting's path and what is wrong with it."""
    return "; ".join(
        f"{'.'.join(_spelled(item['type'], part) for part in item['loc']) or '(whole file)'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    )


def _spelled(problem: str, part: str | int) -> str:
    """The name of a setting: pydantic tells a missing one in JSON's spelling, others as they stand in the file."""
    return to_snake(part) if problem == "missing" and isinstance(part, str) else str(part)
