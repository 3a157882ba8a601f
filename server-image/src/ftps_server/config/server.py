"""`server.json`: what is settled when the process starts."""

from enum import StrEnum
from typing import Self

from pydantic import Field, HttpUrl, ValidationError, model_validator

from ftps_server.config.base import ConfigError, ListenAddress, Model, Network, Port, describe

# Above 1024: the server has no capabilities. A Service maps 21 and 990 to these.
EXPLICIT_PORT = 2121
IMPLICIT_PORT = 9990
ADMIN_PORT = 8080
# One below the control ports 21 and 990 (RFC 959, section 3.2): where active data connections come from.
EXPLICIT_SOURCE_PORT, IMPLICIT_SOURCE_PORT = 20, 989
FIRST_CLIENT_PORT = 1024
"""Active data connections go to no port below it (RFC 2577, section 3)."""
TURN_BYTES = 256 * 1024


class TlsVersion(StrEnum):
    """The oldest TLS version that is served."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class DataSessionReuse(StrEnum):
    """Whether a data connection must resume the TLS session of its control connection."""

    REQUIRED = "Required"
    """Who does not is refused."""
    PREFERRED = "Preferred"
    """Who does not is served, when it comes from the control connection's address and can be told from others."""
    OFF = "Off"


class ClientAuth(StrEnum):
    """Whether clients show a certificate."""

    NONE = "None"
    OPTIONAL = "Optional"
    REQUIRED = "Required"


class UserFrom(StrEnum):
    """Which part of a client's certificate names the user."""

    COMMON_NAME = "CommonName"
    EMAIL_SAN = "EmailSAN"
    URI_SAN = "UriSAN"


class ListenerConfig(Model):
    """One control port."""

    enabled: bool = True
    port: Port


class ClientAuthConfig(Model):
    """Client certificates; the authorities and their revocation lists are files of their own."""

    mode: ClientAuth = ClientAuth.NONE
    user_from: UserFrom = UserFrom.COMMON_NAME


class TlsConfig(Model):
    """How TLS is served; the certificate and key are files of their own."""

    min_version: TlsVersion = TlsVersion.TLS_1_2
    ciphers: str | None = None
    """OpenSSL cipher list for TLS 1.2; None leaves OpenSSL's own."""
    client_auth: ClientAuthConfig = ClientAuthConfig()
    data_session_reuse: DataSessionReuse = DataSessionReuse.REQUIRED


class ActiveConfig(Model):
    """Active mode (PORT, EPRT): the server connects to the client."""

    enabled: bool = False


class PassiveConfig(Model):
    """Passive mode (PASV, EPSV)."""

    shared_ports: bool = True
    """A port serves many sessions. Otherwise each waits for one at a time."""


class ProxyProtocolConfig(Model):
    """PROXY protocol, version 1 or 2, on control and data connections."""

    allowed_proxies: tuple[Network, ...] = Field(min_length=1)
    """A connection from here begins with the header; from anywhere else it is refused."""


class Bandwidth(Model):
    """Bytes a second; None means no limit."""

    upload: int | None = Field(default=None, ge=1024)
    download: int | None = Field(default=None, ge=1024)


class BanConfig(Model):
    """Who fails to log in too often is not let in for a while."""

    failures: int = Field(default=10, ge=1)
    """Failed logins of one address within `seconds`."""
    seconds: int = Field(default=600, ge=1)


class LimitsConfig(Model):
    """None means no limit."""

    max_sessions: int | None = Field(default=None, ge=1)
    """Control connections at a time."""
    max_sessions_per_address: int | None = Field(default=None, ge=1)
    """The same, from one address."""
    max_login_attempts: int = Field(default=3, ge=1)
    """Failed logins after which a control connection is closed."""
    ban: BanConfig | None = None
    handshake_timeout_seconds: int = Field(default=30, ge=1)
    """For a TLS handshake, on either connection, and for a data connection to come."""
    login_timeout_seconds: int = Field(default=60, ge=1)
    """A session that has not logged in is closed after this time."""
    idle_timeout_seconds: int = Field(default=300, ge=1)
    """A session without command and without transfer is closed after this time."""
    transfer_timeout_seconds: int = Field(default=300, ge=1)
    """A transfer that moves no byte is ended after this time."""
    bandwidth: Bandwidth = Bandwidth()
    """Of all sessions together."""
    turn_bytes: int = Field(default=TURN_BYTES, ge=16 * 1024, le=4 * 1024 * 1024)
    """How much of one transfer is handled before other sessions get their turn: more makes transfers faster, up to
    about 1 MiB, and everybody else's answers slower."""


class HooksConfig(Model):
    """Tells an HTTP server of each completed upload; the key that signs the events is a file of its own."""

    url: HttpUrl
    """Events are sent here by POST."""
    queue_directory: str = Field(min_length=1)
    """Events wait here until they are delivered."""
    max_queued: int = Field(default=10_000, ge=1)
    """Further events are dropped."""
    timeout_seconds: int = Field(default=10, ge=1)
    """For one answer."""


class ServerConfig(Model):
    """One server."""

    explicit: ListenerConfig = ListenerConfig(port=EXPLICIT_PORT)
    implicit: ListenerConfig = ListenerConfig(port=IMPLICIT_PORT)
    listen_addresses: tuple[ListenAddress, ...] = ()
    """The addresses of this machine that control and passive ports are open at; none: all of them."""
    active: ActiveConfig = ActiveConfig()
    passive: PassiveConfig = PassiveConfig()
    proxy_protocol: ProxyProtocolConfig | None = None
    admin_port: Port = ADMIN_PORT
    """Probes and metrics, plain HTTP."""
    admin_address: ListenAddress | None = None
    """The address of this machine that they are answered at; None: all of them."""
    storage_directory: str = "/srv/ftps"
    tls: TlsConfig = TlsConfig()
    limits: LimitsConfig = LimitsConfig()
    hooks: HooksConfig | None = None
    drain_seconds: int = Field(default=25, ge=0)
    """How long after SIGTERM transfers may go on before they are cut."""

    @model_validator(mode="after")
    def _listens_somewhere(self) -> Self:
        if not (self.explicit.enabled or self.implicit.enabled):
            raise ValueError("explicit, implicit: at least one must be enabled")
        return self


class PassivePorts(Model):
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
            raise ConfigError(f"passive ports {text!r}: {describe(error)}") from None

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"
