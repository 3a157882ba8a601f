"""A control port."""

import socket
import time

from ftps_server import logs
from ftps_server.channel import READ, Channel
from ftps_server.eventloop import EventLoop
from ftps_server.logs import warn
from ftps_server.protocol.session import ExplicitSession
from ftps_server.proxyheader import HeaderReader, ProxyRefusedError
from ftps_server.services import Services

PAUSE_SECONDS = 1.0
"""How long nobody is accepted after the kernel could not."""


class Listener(Channel):
    """Accepts sessions. Limits are ours: pyftpdlib's count sockets, data connections included."""

    def __init__(
        self, sock: socket.socket, session: type[ExplicitSession], *, services: Services, loop: EventLoop
    ) -> None:
        super().__init__(loop, sock)
        self.services = services
        self.sessions: set[ExplicitSession] = set()
        self.ip_map: list[str] = []  # pyftpdlib's sessions look into it
        self._session = session
        self.watch(READ)

    def handle_read_event(self) -> None:
        try:
            sock, peer = self.socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            # Out of descriptors or of memory. Who waits stays in the backlog, and would wake the loop up all the time.
            warn("accept failed", error=error.strerror)
            self.pause(PAUSE_SECONDS, lambda: self.watch(READ))
            return
        sock.setblocking(False)
        if self.services.config.proxy_protocol is None:
            self.begin(sock, peer[:2])
        else:
            self.services.deadlines.add(Proxied(self, sock, peer[:2]))

    def begin(self, sock: socket.socket, client: tuple[str, int]) -> None:
        """A client is there."""
        session = None
        try:
            session = self._session(sock, self, ioloop=self.loop)
            if session.connected:
                session.remote_ip, session.remote_port = client
                self.sessions.add(session)
                session.handle()
        except Exception:  # noqa: BLE001 - a boundary
            logs.logger.exception("session failed")
            if session is not None:
                session.close()

    def handle_error(self) -> None:
        logs.logger.exception("accept failed")


class Proxied(Channel):
    """A connection from a proxy, until it has said whose it is."""

    def __init__(self, listener: Listener, sock: socket.socket, peer: tuple[str, int]) -> None:
        super().__init__(listener.loop, sock)
        self._listener = listener
        self._header = HeaderReader(sock, peer, listener.services.config.proxy_protocol)
        self._deadline = time.monotonic() + listener.services.config.limits.handshake_timeout_seconds
        self._peer = peer[0]
        self.watch(READ)

    def handle_read_event(self) -> None:
        try:
            client = self._header.read()
        except (ProxyRefusedError, OSError) as error:
            self._refuse(str(error))
            return
        if client is not None:
            self.forget()
            self.closed = True  # the socket goes on, as the session's
            self._listener.begin(self.socket, client)

    def sweep(self, now: float) -> None:
        """Give up when it takes too long."""
        if now >= self._deadline:
            self._refuse("no PROXY header in time")

    def _refuse(self, reason: str) -> None:
        warn("proxy refused", proxy=self._peer, reason=reason)
        self._listener.services.metrics.refused.labels("proxy").inc()
        self.close()
