"""The files that configure a server: their schema, and how they are read.

The operator writes these files, the server reads them; this package is the one thing that both import.

    <directory>/config/server.json         ServerConfig     `limits` are reloaded, the rest is read at start
    <directory>/config/address.json        AddressConfig    reloaded while sessions go on
    <directory>/users/users.json           UsersConfig      reloaded while sessions go on
    <directory>/tls/tls.crt, tls.key       PEM              reloaded while sessions go on
    <directory>/client-ca/ca.crt, ca.crl   PEM              who signs client certificates, and what they revoked
    <directory>/hooks/key                  bytes            signs the events that are sent to `hooks.url`

The passive ports are no part of them: every pod of a server has ports of its own, so they come with the command line.
"""

from pathlib import Path, PurePosixPath

from ftps_server.config.address import AddressConfig, AddressOverride, Announced
from ftps_server.config.base import ConfigError, Network, Port, read
from ftps_server.config.server import (
    ADMIN_PORT,
    EXPLICIT_PORT,
    EXPLICIT_SOURCE_PORT,
    FIRST_CLIENT_PORT,
    IMPLICIT_PORT,
    IMPLICIT_SOURCE_PORT,
    TURN_BYTES,
    ActiveConfig,
    BanConfig,
    Bandwidth,
    ClientAuth,
    ClientAuthConfig,
    DataSessionReuse,
    HooksConfig,
    LimitsConfig,
    ListenerConfig,
    PassiveConfig,
    PassivePorts,
    ProxyProtocolConfig,
    ServerConfig,
    TlsConfig,
    TlsVersion,
    UserFrom,
)
from ftps_server.config.users import DirectoryPermissions, Permissions, Quota, UserConfig, UsersConfig

CONFIG_DIRECTORY = Path("/etc/ftps-server")
SERVER_FILE = PurePosixPath("config/server.json")
ADDRESS_FILE = PurePosixPath("config/address.json")
USERS_FILE = PurePosixPath("users/users.json")
CERTIFICATE_FILE = PurePosixPath("tls/tls.crt")
PRIVATE_KEY_FILE = PurePosixPath("tls/tls.key")
CLIENT_CA_FILE = PurePosixPath("client-ca/ca.crt")
CLIENT_CRL_FILE = PurePosixPath("client-ca/ca.crl")
HOOK_KEY_FILE = PurePosixPath("hooks/key")

__all__ = [
    "ADDRESS_FILE",
    "ADMIN_PORT",
    "CERTIFICATE_FILE",
    "CLIENT_CA_FILE",
    "CLIENT_CRL_FILE",
    "CONFIG_DIRECTORY",
    "EXPLICIT_PORT",
    "EXPLICIT_SOURCE_PORT",
    "FIRST_CLIENT_PORT",
    "HOOK_KEY_FILE",
    "IMPLICIT_PORT",
    "IMPLICIT_SOURCE_PORT",
    "PRIVATE_KEY_FILE",
    "SERVER_FILE",
    "TURN_BYTES",
    "USERS_FILE",
    "ActiveConfig",
    "AddressConfig",
    "AddressOverride",
    "Announced",
    "BanConfig",
    "Bandwidth",
    "ClientAuth",
    "ClientAuthConfig",
    "ConfigError",
    "DataSessionReuse",
    "DirectoryPermissions",
    "HooksConfig",
    "LimitsConfig",
    "ListenerConfig",
    "Network",
    "PassiveConfig",
    "PassivePorts",
    "Permissions",
    "Port",
    "ProxyProtocolConfig",
    "Quota",
    "ServerConfig",
    "TlsConfig",
    "TlsVersion",
    "UserConfig",
    "UserFrom",
    "UsersConfig",
    "read",
]
