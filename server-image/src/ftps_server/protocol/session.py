"""A control connection, with what pyftpdlib lets through closed: explicit (RFC 4217) and implicit FTPS."""

import itertools
import time
from typing import Any, ClassVar

from pyftpdlib.handlers.ftp.control import FTPHandler
from pyftpdlib.handlers.ftps.control import TLS_FTPHandler

from ftps_server.config import UserConfig
from ftps_server.logs import event, warn
from ftps_server.protocol.account import Account, NobodyYet
from ftps_server.protocol.data import DataConnection
from ftps_server.protocol.passive import PassiveAcceptor, PassiveUnavailableError
from ftps_server.services import Services
from ftps_server.storage import OutsideStorageError

_numbers = itertools.count(1)
_PASSIVE = ("PASV", "EPSV")


class ExplicitSession(TLS_FTPHandler):  # type: ignore[misc]
    """Begins in clear; does nothing of use before AUTH TLS."""

    mode = "explicit"
    banner = "FTPS server ready."
    passive_dtp = PassiveAcceptor
    dtp_handler = DataConnection
    authorizer: NobodyYet = NobodyYet()
    # Not offered, so not in FEAT (RFC 2389); PORT stays, to be refused in words.
    proto_cmds: ClassVar[dict[str, Any]] = {
        name: details for name, details in TLS_FTPHandler.proto_cmds.items() if name != "EPRT"
    }
    features: ClassVar[tuple[str, ...]] = ("AUTH TLS", "PBSZ", "PROT")

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self.services: Services = server.services
        self.number = next(_numbers)
        self.last_active = time.monotonic()
        self._refusal: str | None = None
        self._entered = False
        # pyftpdlib reads these of the session; they are the server's.
        self.timeout = self.services.config.limits.idle_timeout_seconds
        self.max_login_attempts = self.services.config.limits.max_login_attempts
        super().__init__(conn, server, ioloop)
        self._extra_feats = list(self.features)

    @classmethod
    def get_ssl_context(cls) -> None:
        """Where pyftpdlib would make one context for good; see `__init__` of the listener's sessions."""

    def identification(self) -> dict[str, object]:
        """Names the session in events."""
        details: dict[str, object] = {"session": self.number, "mode": self.mode, "client": self.remote_ip}
        return details | {"user": self.username} if self.authenticated else details

    # Life

    def handle(self) -> None:
        """Begin; called once the connection is there."""
        self.ssl_context = self.services.identity.context
        self.admit()
        self.greet()

    def admit(self) -> None:
        """Let the session in, or note why not."""
        self._refusal = self.services.admission.refuse(self.remote_ip)
        if self._refusal is None:
            self.services.admission.enter(self.remote_ip)
            self.services.metrics.sessions.inc()
            self._entered = True
            event("session opened", **self.identification())

    def greet(self) -> None:
        """Answer 220, or 421 and go."""
        if self._refusal is None:
            super().handle()
            return
        self.services.metrics.refused.labels("draining" if self.services.admission.draining else "limit").inc()
        warn("session refused", reason=self._refusal, **self.identification())
        self.end(self._refusal)

    def end(self, text: str) -> None:
        """Answer 421 and go."""
        self.respond(f"421 {text}")
        self.close_when_done()

    def on_disconnect(self) -> None:
        """Called once, however the session ended."""
        if self._entered:
            self._entered = False
            self.services.admission.leave(self.remote_ip)
            self.services.metrics.sessions.dec()
            event("session closed", **self.identification())
        self.server.sessions.discard(self)

    @property
    def is_busy(self) -> bool:
        """Whether a transfer is under way or about to be."""
        return self.data_channel is not None or self._dtp_acceptor is not None

    # Commands

    def found_terminator(self) -> None:
        self.last_active = time.monotonic()
        super().found_terminator()

    def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if cmd in ("USER", "PASS") and not self._ssl_established:
            self.respond("530 Not without TLS: send AUTH TLS first.")
        elif cmd in _PASSIVE and not self.is_data_protected:
            self.respond("521 Data connections are encrypted: send PBSZ 0 and PROT P first.")
        else:
            # Past TLS_FTPHandler, whose own two checks answer 550.
            FTPHandler.process_command(self, cmd, *args, **kwargs)

    @property
    def is_data_protected(self) -> bool:
        """Whether PROT P holds."""
        return bool(self._prot)

    def ftp_AUTH(self, line: str) -> None:
        # What came in clear together with AUTH would be carried out inside TLS, as if the client had protected it:
        # the class of CVE-2011-0411.
        self.ac_in_buffer = b""
        super().ftp_AUTH(line)

    def ftp_PROT(self, line: str) -> None:
        if line.upper() == "C":
            self.respond("534 Data connections in clear are refused; use PROT P.")
        else:
            super().ftp_PROT(line)

    def ftp_PORT(self, line: str) -> None:
        self.respond("502 Active mode is not offered; use PASV or EPSV.")

    def _make_epasv(self, extmode: bool = False) -> None:
        try:
            super()._make_epasv(extmode)
        except PassiveUnavailableError as error:
            self.respond(f"425 {error}")

    def ftp_PASS(self, line: str) -> None:
        if self.authenticated:
            self.respond("503 User already authenticated.")
            return
        if not self.username:
            self.respond("503 Login with USER first.")
            return
        user = self.services.users.find(self.username)
        # No further command is read until the answer is there.
        self.del_channel()
        self.services.passwords.verify(
            user.password_hash if user else None, line, lambda matches: self._verified(user, matches=matches)
        )

    def _verified(self, user: UserConfig | None, *, matches: bool) -> None:
        if self._closed:
            return
        self.add_channel()
        if user is None or not matches:
            self.services.metrics.logins.labels("failed").inc()
            warn("login failed", attempted=self.username[:64], **self.identification())
            self.handle_auth_failed("", "")
            return
        try:
            home = self.services.storage.home(user.home_directory)
        except (OutsideStorageError, OSError) as error:
            warn("home unusable", error=str(error), attempted=user.name, **self.identification())
            self.handle_auth_failed("Home directory unusable.", "")
            return
        self.authorizer = Account(user)
        self.handle_auth_success(str(home), "", "Logged in.")
        self.services.metrics.logins.labels("ok").inc()
        event("login", **self.identification())

    def flush_account(self) -> None:
        self.authorizer = NobodyYet()
        super().flush_account()

    # What pyftpdlib would log

    def log_transfer(
        self,
        cmd: str,
        filename: str,
        receive: bool,
        completed: bool,
        elapsed: float,
        bytes: int,  # noqa: A002
    ) -> None:
        direction, outcome = ("upload" if receive else "download"), ("ok" if completed else "aborted")
        self.services.metrics.transfers.labels(direction, outcome).inc()
        self.services.metrics.bytes.labels(direction).inc(bytes)
        event(
            "transfer",
            command=cmd,
            path=self.fs.fs2ftp(filename) if self.fs is not None else filename,
            direction=direction,
            outcome=outcome,
            bytes=bytes,
            seconds=round(elapsed, 3),
            **self.identification(),
        )

    def log(self, msg: str, logfun: Any = None) -> None:  # noqa: ANN401
        """Said by an event where it matters."""

    def logline(self, msg: str, logfun: Any = None) -> None:  # noqa: ANN401
        """As above."""

    def log_cmd(self, cmd: str, arg: str, respcode: int, respstr: str) -> None:
        if cmd in self.log_cmds_list and self.fs is not None:
            path = self.fs.fs2ftp(arg) if arg.startswith("/") else arg
            event("command", command=cmd, path=path, code=respcode, **self.identification())

    def handle_failed_ssl_handshake(self) -> None:
        warn("handshake failed", **self.identification())
        self.close()


class ImplicitSession(ExplicitSession):
    """TLS from the first byte; data is protected without being asked for."""

    mode = "implicit"
    features = ("PBSZ", "PROT")

    def handle(self) -> None:
        self.ssl_context = self.services.identity.context
        self.admit()
        self._pbsz = self._prot = True
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self) -> None:
        self.greet()

    def flush_account(self) -> None:
        super().flush_account()
        self._pbsz = self._prot = True
