"""AUTH, PBSZ, PROT (RFC 2228, RFC 4217), HOST (RFC 7151): how the connections are protected, and for whom."""

from ipaddress import ip_address
from typing import Any, ClassVar

from ftps_server.protocol.control import ControlChannel
from ftps_server.services import Services


def command(syntax: str, *, auth: bool, arg: bool | None, perm: str | None = None) -> dict[str, Any]:
    """What pyftpdlib must know of a command: whether after the login only, whether it has an argument (None: maybe)."""
    return {"perm": perm, "auth": auth, "arg": arg, "help": f"Syntax: {syntax}"}


class ProtectionCommands(ControlChannel):
    """A session whose data connections are to be protected by TLS."""

    services: Services
    implicit: ClassVar[bool]
    proto_cmds: ClassVar[dict[str, Any]] = ControlChannel.proto_cmds | {
        "AUTH": command("AUTH <SP> TLS (begin TLS).", auth=False, arg=True),
        "PBSZ": command("PBSZ <SP> 0 (TLS needs no buffer size).", auth=False, arg=True),
        "PROT": command("PROT <SP> P (encrypt data connections).", auth=False, arg=True),
        "HOST": command("HOST <SP> host-name (the server that is meant).", auth=False, arg=True),
        "CLNT": command("CLNT <SP> client-name (the client's name).", auth=False, arg=True),
    }

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self.is_data_protected = False
        """Whether PROT P holds."""
        self._has_buffer_size = False
        super().__init__(conn, server, ioloop)

    def protect_data(self) -> None:
        """Have data protected without being asked: implicit FTPS means it."""
        self._has_buffer_size = self.is_data_protected = True

    def flush_account(self) -> None:
        super().flush_account()
        self._has_buffer_size = self.is_data_protected = self.implicit

    def ftp_AUTH(self, line: str) -> None:
        kind = line.upper()
        if self.tls is not None:
            self.respond("503 Already using TLS.")
        elif kind in {"TLS", "TLS-C", "SSL", "TLS-P"}:
            self.respond(f"234 AUTH {kind} successful.")
            self.start_tls(self.take_context(), self.services.config.limits.handshake_timeout_seconds)
        else:
            self.respond("504 Unknown security mechanism; use AUTH TLS.")

    def take_context(self) -> Any:  # noqa: ANN401
        """The session's own TLS context."""
        raise NotImplementedError

    def ftp_PBSZ(self, line: str) -> None:
        if not self.is_encrypted:
            self.respond("503 PBSZ not allowed on insecure control connection.")
        else:
            self._has_buffer_size = True
            self.respond("200 PBSZ=0 successful.")

    def ftp_PROT(self, line: str) -> None:
        level = line.upper()
        if not self.is_encrypted:
            self.respond("503 PROT not allowed on insecure control connection.")
        elif level == "C":
            # Also when PROT P came first: after PASV, pyftpdlib would transfer in clear.
            self.respond("534 Data connections in clear are refused; use PROT P.")
        elif not self._has_buffer_size:
            self.respond("503 You must issue the PBSZ command prior to PROT.")
        elif level == "P":
            self.is_data_protected = True
            self.respond("200 Protection set to Private")
        elif level in {"S", "E"}:
            self.respond(f"536 PROT {level} unsupported; use PROT P.")
        else:
            self.respond("504 Unknown PROT type; use PROT P.")

    def ftp_HOST(self, line: str) -> None:
        if self.authenticated:
            self.respond("503 HOST must come before the login.")
        elif self._serves(line):
            self.respond("220 Host accepted.")
        else:
            self.respond("504 Unknown host.")

    def ftp_CLNT(self, line: str) -> None:
        self.respond("200 Noted.")

    def _serves(self, host: str) -> bool:
        """Whether the certificate says so; an address (in brackets, for IPv6) is where the client is already."""
        try:
            ip_address(host.strip("[]"))
        except ValueError:
            name = host.lower().rstrip(".")
            names = self.services.identity.host_names
            return name in names or f"*.{name.partition('.')[2]}" in names
        return True
