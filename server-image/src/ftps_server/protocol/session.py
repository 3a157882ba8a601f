"""A session: explicit (RFC 4217) and implicit FTPS."""

import itertools
import re
import time
from typing import Any, ClassVar

from ftps_server.logs import event, warn
from ftps_server.protocol.commands.checksums import ChecksumCommands
from ftps_server.services import Services

BANNER = "FTPS server ready."

_numbers = itertools.count(1)
_ACTIVE = ("PORT", "EPRT")
_NEVER = frozenset("\0\r\n")
_OPTIONS = re.compile(r"-[A-Za-z]+(?: |$)")
"""As of ls; some clients send them."""
_LISTINGS = ("LIST", "NLST")
_PASSIVE_ONLY = {name: details for name, details in ChecksumCommands.proto_cmds.items() if name not in _ACTIVE}


class ExplicitSession(ChecksumCommands):
    """Begins in clear; does nothing of use before AUTH TLS."""

    mode: ClassVar[str] = "explicit"
    implicit: ClassVar[bool] = False
    features: ClassVar[tuple[str, ...]] = ("AUTH TLS", "PBSZ", "PROT", "HOST", "AVBL", "CLNT")
    banner = BANNER
    # pyftpdlib would look such things up by itself.
    use_sendfile = False
    log_cmds_list: ClassVar[set[str]] = {
        "DELE", "RNFR", "RNTO", "MKD", "RMD", "CWD", "XMKD", "XRMD", "XCWD", "REIN", "MFMT"
    }  # fmt: skip

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self.services: Services = server.services
        self.number = next(_numbers)
        self._refusal: str | None = None
        self._entered = False
        limits = self.services.config.limits
        self._is_active_offered = self.services.config.active.enabled
        if not self._is_active_offered:
            # Neither in FEAT (RFC 2389) nor in HELP.
            self.proto_cmds = _PASSIVE_ONLY  # type: ignore[misc]
        # pyftpdlib reads these of the session; they are the server's.
        self.timeout = limits.idle_timeout_seconds
        self.max_login_attempts = limits.max_login_attempts
        super().__init__(conn, server, ioloop)

    def identification(self) -> dict[str, object]:
        """Names the session in events."""
        details: dict[str, object] = {"session": self.number, "mode": self.mode, "client": self.remote_ip}
        return details | {"user": self.username} if self.authenticated else details

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}>"

    # Life

    def handle(self) -> None:
        """Begin; called once the connection is there."""
        self.admit()
        self.greet()

    def admit(self) -> None:
        """Let the session in, or note why not."""
        services = self.services
        if services.bans.is_banned(self.remote_ip):
            self._refusal = "Too many failed logins; try again later."
        else:
            self._refusal = services.admission.refuse(self.remote_ip)
        if self._refusal is None:
            services.admission.enter(self.remote_ip)
            services.metrics.sessions.inc()
            self._entered = True
            self.call_later(services.config.limits.login_timeout_seconds, self._end_unless_logged_in)
            event("session opened", **self.identification())

    def greet(self) -> None:
        """Answer 220, or 421 and go."""
        if self._refusal is None:
            self.respond(f"220 {self.banner}")
            return
        self.services.metrics.refused.labels("draining" if self.services.admission.draining else "limit").inc()
        warn("session refused", reason=self._refusal, **self.identification())
        self.end(self._refusal)

    def _end_unless_logged_in(self) -> None:
        if not self.authenticated:
            self.end("Login timed out.")

    def handle_timeout(self) -> None:
        self.end("Control connection timed out.")

    def on_disconnect(self) -> None:
        """Called once, however the session ended."""
        if self._entered:
            self._entered = False
            self.services.admission.leave(self.remote_ip)
            self.services.metrics.sessions.dec()
            event("session closed", **self.identification())
        self.leave()
        self.server.sessions.discard(self)

    def close(self) -> None:
        if not self._closed:
            self._drop_transfer_silently()
        super().close()

    def touch(self) -> None:
        """The session does something."""
        self.last_active = time.monotonic()

    # Commands

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        if not _NEVER.isdisjoint(line):
            # A name with an end of line in it would be two lines of a listing.
            self.respond("501 A command cannot hold the characters NUL, CR and LF.")
        elif cmd in _ACTIVE and not self._is_active_offered:
            self.respond("502 Active mode is not offered; use PASV or EPSV.")
        else:
            if cmd in _LISTINGS:
                arg = _OPTIONS.sub("", arg, count=1) if _OPTIONS.match(arg) else arg
            super().pre_process_command(line, cmd, arg)

    def ftp_TYPE(self, line: str) -> None:
        # RFC 959, section 5.3.1: A and A N are the same.
        super().ftp_TYPE("A" if line.upper().split() == ["A", "N"] else line)

    def ftp_FEAT(self, line: str) -> None:
        self._extra_feats = [*self.features, self.hash_feature]
        super().ftp_FEAT(line)

    def ftp_NOOP(self, line: str) -> None:
        self.respond("200 OK.")

    def respond(self, resp: str, logfun: Any = None) -> None:  # noqa: ANN401
        self._last_response = resp
        self.push(f"{resp}\r\n")

    def log_cmd(self, cmd: str, arg: str, respcode: int, respstr: str) -> None:
        if cmd in self.log_cmds_list and self.fs is not None:
            path = self.fs.fs2ftp(arg) if arg.startswith("/") else arg
            event("command", command=cmd, path=path, code=respcode, **self.identification())

    # TLS

    def on_tls_established(self) -> None:
        super().on_tls_established()
        if self.tls is not None:
            self.services.metrics.handshakes.labels(self.tls.version).inc()


class ImplicitSession(ExplicitSession):
    """TLS from the first byte; data is protected without being asked for."""

    mode = "implicit"
    implicit = True
    features = ("PBSZ", "PROT", "HOST", "AVBL", "CLNT")

    def handle(self) -> None:
        self.admit()
        self.protect_data()
        self.start_tls(self.take_context(), self.services.config.limits.handshake_timeout_seconds)

    def on_tls_established(self) -> None:
        super().on_tls_established()
        self.greet()
