"""Where a server's configuration comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ftps_server import config
from ftps_server.config import AddressConfig, PassivePorts, ServerConfig, UsersConfig


@dataclass(frozen=True, slots=True)
class Files:
    """The files: those whose change is a change of the configuration, and those that it names."""

    server: Path
    addresses: Path
    users: Path
    certificate: Path
    private_key: Path
    client_ca: Path
    client_crl: Path
    """Need not exist."""
    hook_key: Path


class Sources(Protocol):
    """Reads the configuration, anew at each call. A call raises ConfigError that names the file and the field."""

    passive_ports: PassivePorts
    files: Files

    def server(self) -> ServerConfig: ...

    def addresses(self) -> AddressConfig: ...

    def users(self) -> UsersConfig: ...


class DirectorySources:
    """The directory that the operator mounts."""

    def __init__(self, directory: Path, passive_ports: PassivePorts) -> None:
        self.passive_ports = passive_ports
        self.files = Files(
            server=directory / config.SERVER_FILE,
            addresses=directory / config.ADDRESS_FILE,
            users=directory / config.USERS_FILE,
            certificate=directory / config.CERTIFICATE_FILE,
            private_key=directory / config.PRIVATE_KEY_FILE,
            client_ca=directory / config.CLIENT_CA_FILE,
            client_crl=directory / config.CLIENT_CRL_FILE,
            hook_key=directory / config.HOOK_KEY_FILE,
        )

    def server(self) -> ServerConfig:
        """What is read at start, and the limits."""
        return config.read(ServerConfig, self.files.server)

    def addresses(self) -> AddressConfig:
        """What PASV announces."""
        return config.read(AddressConfig, self.files.addresses)

    def users(self) -> UsersConfig:
        """Who may log in."""
        return config.read(UsersConfig, self.files.users)
