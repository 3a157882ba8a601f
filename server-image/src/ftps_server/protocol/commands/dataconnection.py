"""PASV, EPSV, PORT, EPRT, ABOR: how a transfer gets its data connection."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from ftps_server import newticket
from ftps_server.channel import Channel
from ftps_server.config import FIRST_CLIENT_PORT
from ftps_server.logs import event, warn
from ftps_server.protocol.active import Connector
from ftps_server.protocol.clienthello import ClientHello
from ftps_server.protocol.commands.login import LoginCommands
from ftps_server.protocol.data import DataConnection
from ftps_server.protocol.expectation import NOBODY_CAME, Begun, Expectation
from ftps_server.protocol.passive import PassiveUnavailableError
from ftps_server.protocol.tlsstream import TlsStream
from ftps_server.protocol.transfers import AnyTransfer, Incoming, Listing

NOT_PROTECTED = "521 Data connections are encrypted: send PBSZ 0 and PROT P first."
UNDER_WAY = "450 A transfer is under way."
COMPLETE = "226 Transfer complete."
FRESH_SECONDS = 60.0
"""A ticket that was made before a longer transfer is replaced behind it: it is good for two hours."""


class DataConnectionCommands(LoginCommands):
    """A session that has at most one data connection, or waits for one, and at most one transfer."""

    # pyftpdlib's: what is closed when it is not wanted any more.
    data_channel: DataConnection | None
    _dtp_acceptor: Expectation | None
    _dtp_connector: Any

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self.ticket_name: bytes | None = None
        self._context: Any = None
        self._pending: AnyTransfer | None = None
        super().__init__(conn, server, ioloop)

    def take_context(self) -> Any:  # noqa: ANN401
        self._context = self.services.identity.context()
        return self._context

    def on_tls_established(self) -> None:
        super().on_tls_established()
        if newticket.is_available:
            # The control connection has its tickets, and gives further ones: data connections need none of their own.
            self._context.num_tickets = 0

    @property
    def is_busy(self) -> bool:
        """Whether a transfer is under way or about to be."""
        if self._closed:
            return False  # pyftpdlib deletes some attributes then
        connections = (self.data_channel, self._dtp_acceptor, self._dtp_connector)
        return any(connection is not None for connection in connections)

    # Commands

    def _make_epasv(self, extmode: bool = False) -> None:
        """PASV, EPSV; called by pyftpdlib."""
        if not self._makes_way():
            return
        ports = self.services.passive
        try:
            address = None if extmode else self._announced()
            port = ports.choose(self.remote_ip)
        except PassiveUnavailableError as error:
            warn("passive mode unavailable", reason=str(error), **self.identification())
            self.respond(f"425 {error}")
            return
        # Answered first: while the client connects, there is time for the rest.
        if address is None:
            self.respond(f"229 Entering extended passive mode (|||{port}|).")
        else:
            numbers = ",".join([*address.split("."), str(port // 256), str(port % 256)])
            self.respond(f"227 Entering passive mode ({numbers}).")
        if not self._closed:
            self._dtp_acceptor = expectation = self._expect(port, ended=ports.forget)
            ports.expect(expectation)
            self.services.deadlines.add(expectation)
            expectation.prepare()

    def _announced(self) -> str:
        if self.socket.family != socket.AF_INET:
            raise PassiveUnavailableError("PASV knows IPv4 only; use EPSV.")
        address = self.services.announcer.address_for(self.remote_ip, local=self.socket.getsockname()[0])
        if address is None:
            raise PassiveUnavailableError("The server does not know its own address yet; use EPSV, or try again.")
        return address

    def _make_eport(self, ip: str, port: int) -> None:
        """PORT, EPRT; called by pyftpdlib, which has read the address."""
        if not _is_same(ip, self.remote_ip):
            # The bounce attack (RFC 2577, section 3): others would get connections from here.
            warn("bounce refused", target=ip, **self.identification())
            self.respond("501 Data connections go to your own address only.")
        elif port < FIRST_CLIENT_PORT:
            self.respond(f"501 Data connections go to ports from {FIRST_CLIENT_PORT} on only.")
        elif self._makes_way():
            self._connect((self.remote_ip, port))

    def _makes_way(self) -> bool:
        """Whether there may be another data connection: the one before is dropped, unless a transfer uses it."""
        if not self.is_data_protected:
            self.respond(NOT_PROTECTED)
            return False
        if self.data_channel is not None and self.data_channel.transfer is not None:
            self.respond(UNDER_WAY)
            return False
        if self._drop_pending():
            self.respond(NOBODY_CAME)
        self._drop_data_connection()
        return not self._closed

    def _connect(self, target: tuple[str, int]) -> None:
        source = self.services.implicit_source if self.implicit else self.services.explicit_source
        assert source is not None  # noqa: S101 - active mode is on
        try:
            sock = source.open(self.socket.family, self.socket.getsockname()[0])
        except OSError as error:
            self.respond(f"425 Cannot open a data connection: {error.strerror}.")
            return
        self._dtp_connector = Connector(
            self.ioloop,
            sock,
            target,
            seconds=self.services.config.limits.handshake_timeout_seconds,
            connected=lambda connected: self._on_connected(connected, target),
            failed=self._on_connect_failed,
        )
        self.services.deadlines.add(self._dtp_connector)

    def _on_connected(self, sock: socket.socket, target: tuple[str, int]) -> None:
        self._dtp_connector = None
        if self._closed:
            sock.close()
            return
        self._dtp_acceptor = expectation = self._expect(0, ended=lambda _: None)
        self.services.deadlines.add(expectation)
        self.services.arrivals.connected(sock, target, expectation)
        self.respond("200 Active data connection established.")

    def _on_connect_failed(self, reason: str) -> None:
        self._dtp_connector = None
        if not self._closed:
            self.respond(f"425 Can't connect to specified address: {reason}.")

    def ftp_ABOR(self, line: str) -> None:
        if self._drop_transfer():
            self.respond("426 Transfer aborted via ABOR.")
            self._drop_data_connection()
            self.respond("226 ABOR command successful.")
        elif self.is_busy:
            self._drop_data_connection()
            self.respond("225 ABOR command successful; data channel closed.")
        else:
            self.respond("225 No transfer to abort.")

    def ftp_QUIT(self, line: str) -> None:
        if self.data_channel is not None and not self.data_channel.transfer_in_progress():
            # pyftpdlib would wait for its transfer.
            self._drop_data_connection()
        super().ftp_QUIT(line)
        if self._quit_pending:
            # pyftpdlib has taken the session out of the loop, till the transfer is done.
            self.leave_loop()

    # The data connection

    def _expect(self, port: int, *, ended: Callable[[Expectation], None]) -> Expectation:
        user_reuse = self.user.data_session_reuse if self.user is not None else None
        return Expectation(
            self,
            address=self.remote_ip,
            port=port,
            reuse=user_reuse or self.services.config.tls.data_session_reuse,
            seconds=self.services.config.limits.handshake_timeout_seconds,
            failed=self._on_nobody_came,
            ended=ended,
        )

    def data_stream(self) -> TlsStream:
        """TLS in the context of this session: what it resumes began here."""
        return TlsStream(self._context, keep_keys=self.services.kernel_tls)

    def adopt(self, arrival: Channel, expectation: Expectation, begun: Begun, hello: ClientHello) -> None:
        """Go on with the handshake of a connection that may be this session's."""
        limits = self.services.config.limits
        connection = DataConnection(
            self,
            arrival,
            expectation,
            buffers=self.services.buffers,
            handshake_seconds=limits.handshake_timeout_seconds,
            transfer_seconds=limits.transfer_timeout_seconds,
        )
        if begun.stream.reused:
            self.ticket_name = hello.key_name
        self.services.deadlines.add(connection)
        connection.begin(begun, hello)

    def on_data_connection(self, connection: DataConnection) -> None:
        """Called after the handshake."""
        self.services.metrics.data_connection("resumed" if connection.reused else "full")
        self._dtp_acceptor = None
        self.data_channel = connection
        if self._pending is not None:
            self._start()

    def _on_nobody_came(self, answer: str) -> None:
        """Called when there will be no data connection."""
        self._dtp_acceptor = None
        # Unless a command waits for the connection, an answer now would be taken for the next command's.
        if not self._closed and self._drop_pending():
            self.respond(answer)

    def on_data_connection_lost(self, connection: DataConnection) -> None:
        """Called when the client has gone before a command asked for it."""
        if self.data_channel is connection:
            self.data_channel = None

    def _drop_data_connection(self) -> None:
        self._shutdown_connecting_dtp()
        if self.data_channel is not None:
            self.data_channel.close()
            self.data_channel = None

    # The transfer

    def transfer(self, transfer: AnyTransfer, opening: str = "File status okay") -> None:
        """Transfer as soon as there is a data connection."""
        self._pending = transfer
        # Of who has begun it: USER and REIN let a transfer go on.
        transfer.owner = self.identification()
        self.suspend_idle_timer()
        if self.data_channel is not None:
            self.respond("125 Data connection already open; transfer starting.")
            self._replace_ticket()
            self._start()
        else:
            self.respond(f"150 {opening}; about to open data connection.")
            # While the client makes its ClientHello there is time for the ticket that replaces the one it uses.
            self._replace_ticket()

    def _replace_ticket(self) -> None:
        """Make one for the client. It goes with the answer at the transfer's end."""
        if self.tls is not None and not self._closed:
            self.tls.issue_ticket()

    def _start(self) -> None:
        transfer, self._pending = self._pending, None
        connection = self.data_channel
        if transfer is not None and connection is not None:
            transfer.begin()
            connection.start(transfer)
            if connection.sender is not None:
                self.services.metrics.ktls_connections.inc()

    def on_transfer_end(self, connection: DataConnection, transfer: AnyTransfer, failure: str | None) -> None:
        """Called when it is over; the data connection is closed."""
        details = self._settle(transfer, failure)
        if not self._closed:
            if transfer.seconds > FRESH_SECONDS:
                self._replace_ticket()
            self.respond(failure or COMPLETE)
        if details:
            # While the client goes on: to write a line takes a twentieth of a small file's time.
            event("transfer", **details)
        if not self._closed:
            self._on_dtp_close()

    def record(self, transfer: AnyTransfer, failure: str) -> None:
        """Tell of a transfer that was ended here."""
        details = self._settle(transfer, failure)
        if details:
            event("transfer", **details)

    def _settle(self, transfer: AnyTransfer, failure: str | None) -> dict[str, object]:
        """Tell the metrics and the hooks, as who has heard the answer may count on them; what the log is to tell."""
        transfer.afterwards()
        if isinstance(transfer, Listing):
            return {}
        direction = "upload" if isinstance(transfer, Incoming) else "download"
        outcome = "ok" if failure is None else "aborted"
        self.services.metrics.transferred(direction, outcome, size=transfer.moved, seconds=transfer.seconds)
        details = {
            "command": transfer.command,
            "path": transfer.path,
            "direction": direction,
            "outcome": outcome,
            "bytes": transfer.moved,
            "seconds": round(transfer.seconds, 3),
            **transfer.owner,
        }
        if failure is None:
            if self.services.hooks is not None and direction == "upload":
                self.services.hooks.submit(details)
            return details
        if failure.startswith("552"):
            self.services.metrics.quota_exceeded.inc()
        return details | {"reason": failure}

    def _drop_transfer(self) -> bool:
        """End a transfer that is under way, or waits; whether there was one."""
        connection = self.data_channel
        if connection is not None and connection.transfer is not None:
            transfer = connection.transfer
            connection.abort()
            self.data_channel = None
            self.record(transfer, "426 Transfer aborted via ABOR.")
            self._on_dtp_close()
            return True
        return self._drop_pending()

    def _drop_transfer_silently(self) -> None:
        """The session ends, and so does its transfer."""
        connection, pending = self.data_channel, self._pending
        self._pending = None
        if pending is not None:
            pending.drop()
        if connection is not None and connection.transfer is not None:
            transfer = connection.transfer
            connection.abort()
            self.record(transfer, "421 Session ended.")

    def _drop_pending(self) -> bool:
        transfer, self._pending = self._pending, None
        if transfer is None:
            return False
        transfer.drop()
        self._on_dtp_close()
        return True

    def after_transfer(self, call: Callable[[], None]) -> None:
        # pyftpdlib deletes the attribute when the session is closed; the transfer has ended before that.
        connection = None if self._closed else self.data_channel
        if connection is not None and connection.transfer is not None:
            connection.transfer.afterwards = call
        else:
            call()

    def suspend_idle_timer(self) -> None:
        """The session does something that takes its time."""
        if self._idler is not None and not self._idler.cancelled:
            self._idler.cancel()

    def restart_idle_timer(self) -> None:
        """It does nothing any more."""
        self.touch()
        self.suspend_idle_timer()
        self._idler = self.ioloop.call_later(self.timeout, self.handle_timeout, _errback=self.handle_error)

    def _on_dtp_close(self) -> None:
        self.touch()
        super()._on_dtp_close()

    def touch(self) -> None:
        """The session does something."""
        raise NotImplementedError

    def flush_account(self) -> None:
        self._drop_pending()
        super().flush_account()


def _is_same(one: str, other: str) -> bool:
    """Whether two addresses are the same: an IPv6 address has many spellings."""
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False
