"""A control connection, with what pyftpdlib lets through closed: explicit (RFC 4217) and implicit FTPS."""

import itertools
import time
from typing import Any, ClassVar

from OpenSSL import SSL
from pyftpdlib.handlers.ftp.control import FTPHandler
from pyftpdlib.handlers.ftps.control import TLS_FTPHandler

from ftps_server.logs import event, warn
from ftps_server.protocol.data import DataConnection
from ftps_server.protocol.login import PasswordLogin
from ftps_server.protocol.passive import PassiveAcceptor, PassiveUnavailableError
from ftps_server.services import Services

HANDSHAKE_SECONDS = 30.0
CLOSE_SECONDS = 30.0
"""How long the last answer waits for a client that does not read."""
MAX_UNREAD_ANSWERS = 1000
"""So many wait for a client; who asks on without reading is cut off, before the memory is full."""

_numbers = itertools.count(1)
_PASSIVE = ("PASV", "EPSV")
_ACTIVE = ("PORT", "EPRT")
_TRANSFERS = ("APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU")


class ExplicitSession(PasswordLogin):
    """Begins in clear; does nothing of use before AUTH TLS."""

    # pyftpdlib's: transfers that wait for a data connection, as (file, command) and (data, is producer, file, command).
    _in_dtp_queue: Any
    _out_dtp_queue: Any
    _dtp_connector: Any
    data_channel: DataConnection | None

    mode = "explicit"
    banner = "FTPS server ready."
    passive_dtp = PassiveAcceptor
    dtp_handler = DataConnection
    # Not offered, so neither in FEAT (RFC 2389) nor in HELP.
    proto_cmds: ClassVar[dict[str, Any]] = {
        name: details for name, details in TLS_FTPHandler.proto_cmds.items() if name not in _ACTIVE
    }
    features: ClassVar[tuple[str, ...]] = ("AUTH TLS", "PBSZ", "PROT")

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self.services: Services = server.services
        self.number = next(_numbers)
        self.last_active = time.monotonic()
        self._refusal: str | None = None
        self._overlong = False
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
        if self._closed or self._closing:
            return
        if self._ssl_accepting:
            self.close()  # nothing can be said in the middle of a handshake
            return
        self.respond(f"421 {text}")
        self.close_when_done()

    def close_when_done(self) -> None:
        super().close_when_done()
        if not self._closed:
            # Not for ever: who does not read its answers would keep its place.
            self.call_later(CLOSE_SECONDS, self.close)

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
        if self._closed:
            return False  # pyftpdlib deletes some attributes then
        connections = (self.data_channel, self._dtp_acceptor, self._dtp_connector)
        return any(connection is not None for connection in connections)

    # Commands

    def found_terminator(self) -> None:
        if self._closed or self._closing:
            self.ac_in_buffer = b""  # sent behind QUIT, or behind what the session was ended for
            return
        self.last_active = time.monotonic()
        if self._overlong:
            self._overlong = False
            return
        try:
            super().found_terminator()
        except AttributeError:
            # pyftpdlib goes on with a session that ended while it was answered, and has deleted some attributes then.
            if not self._closed:
                raise

    def collect_incoming_data(self, data: bytes) -> None:
        if self._overlong:
            return
        super().collect_incoming_data(data)
        # pyftpdlib answers a line that is too long, forgets it, and takes the rest of it for the next command.
        self._overlong = bool(data) and not self._in_buffer

    def push(self, data: str) -> None:
        super().push(data)
        if len(self.producer_fifo) > MAX_UNREAD_ANSWERS:
            warn("answers not read", **self.identification())
            self._break_off()

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        if "\0" in line:
            self.respond("501 A command cannot hold the character NUL.")
        elif cmd in _ACTIVE:
            self.respond("502 Active mode is not offered; use PASV or EPSV.")
        else:
            super().pre_process_command(line, cmd, arg)

    def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if cmd in ("USER", "PASS") and not self._ssl_established:
            self.respond("530 Not without TLS: send AUTH TLS first.")
        elif cmd in _PASSIVE and not self.is_data_protected:
            self.respond("521 Data connections are encrypted: send PBSZ 0 and PROT P first.")
        elif cmd in _TRANSFERS and not self.is_busy:
            self.respond("425 Use PASV or EPSV first.")
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

    def _make_epasv(self, extmode: bool = False) -> None:
        try:
            super()._make_epasv(extmode)
        except PassiveUnavailableError as error:
            self.respond(f"425 {error}")
        if self._closed:
            # While it answered; then it did not know of the port yet.
            self._shutdown_connecting_dtp()

    def ftp_QUIT(self, line: str) -> None:
        if self.data_channel is not None and self.data_channel.is_unused:
            # pyftpdlib would wait for its transfer.
            self.data_channel.close()
        super().ftp_QUIT(line)

    def ftp_ABOR(self, line: str) -> None:
        if self._drop_pending_transfer():
            self.respond("426 Transfer aborted via ABOR.")
        super().ftp_ABOR(line)

    # Data connections

    def on_data_connecting(self, sock: Any) -> None:  # noqa: ANN401
        """Called when the client has connected; the handshake is yet to come."""
        self._dtp_acceptor = None
        connection = self.dtp_handler(sock, self)
        if connection.connected:
            # pyftpdlib's place for an active connection in the making: closed when it is not wanted any more.
            self._dtp_connector = connection

    def on_data_connection(self, connection: DataConnection) -> None:
        """Called after the handshake."""
        self._dtp_connector = None
        self.data_channel = connection
        self._on_dtp_connection()

    def on_data_connection_failed(self, answer: str) -> None:
        """Called when the client has not connected, or the handshake has failed."""
        self._dtp_acceptor = self._dtp_connector = None
        if self._closed:
            return
        # Unless a command waits for the connection, an answer now would be taken for the next command's.
        if self._drop_pending_transfer():
            self.respond(answer)

    def _drop_pending_transfer(self) -> bool:
        """Forget a transfer that waits for its connection, or the next connection would be taken for that."""
        if self._in_dtp_queue is not None:
            self._in_dtp_queue[0].close()
        elif self._out_dtp_queue is not None:
            if self._out_dtp_queue[2] is not None:
                self._out_dtp_queue[2].close()
        else:
            return False
        self._in_dtp_queue = self._out_dtp_queue = None
        return True

    def _on_dtp_close(self) -> None:
        self.last_active = time.monotonic()
        super()._on_dtp_close()

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

    # TLS

    def recv(self, buffer_size: int) -> bytes:
        try:
            return super().recv(buffer_size)
        except SSL.Error:
            self._break_off()
            return b""

    def send(self, data: bytes) -> int:
        try:
            return int(super().send(data))
        except SSL.Error:
            self._break_off()
            return 0

    def _break_off(self) -> None:
        """Close without a word: after an error, as an end without close_notify is one, OpenSSL cannot go on."""
        self._error = True
        self.close()

    def secure_connection(self, ssl_context: Any) -> None:  # noqa: ANN401
        # Who is refused hears of it within TLS, and is not counted till then: such connections must not pile up.
        self._handshake_deadline = self.call_later(HANDSHAKE_SECONDS, self.handle_failed_ssl_handshake)
        super().secure_connection(ssl_context)

    def handle_ssl_established(self) -> None:
        self._handshake_deadline.cancel()

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
        super().handle_ssl_established()
        self.greet()

    def flush_account(self) -> None:
        super().flush_account()
        self._pbsz = self._prot = True
