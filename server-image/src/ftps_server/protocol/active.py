"""Active mode: PORT (RFC 959) and EPRT (RFC 2428). The server connects to the client; in TLS it is the server still."""

import errno
import os
import socket
import time
from collections.abc import Callable

from ftps_server.channel import WRITE, Channel
from ftps_server.eventloop import EventLoop
from ftps_server.logs import warn

_PENDING = {0, errno.EINPROGRESS, errno.EALREADY}


class SourcePort:
    """The port that data connections come from, where the kernel lets us have it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.problem: str | None = None
        """Why it cannot be had; then the kernel chooses one."""
        with socket.socket() as probe:
            try:
                self._bind(probe, "")
            except OSError as error:
                self.problem = error.strerror or str(error)
                warn("source port unavailable", port=port, reason=self.problem)

    def open(self, family: int, local_address: str) -> socket.socket:
        """A socket that comes from the control connection's local address. Raises OSError."""
        sock = socket.socket(family)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._bind(sock, local_address)
        except OSError:
            sock.close()
            raise
        return sock

    def _bind(self, sock: socket.socket, address: str) -> None:
        # Many connections come from the one port at a time.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((address, 0 if self.problem else self.port))


class Connector(Channel):
    """Connects to the client, and waits for its first word: ClientHello."""

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        target: tuple[str, int],
        *,
        seconds: float,
        connected: Callable[[socket.socket], None],
        failed: Callable[[str], None],
    ) -> None:
        super().__init__(loop, sock)
        self._deadline = time.monotonic() + seconds
        self._connected = connected
        self._failed = failed
        result = sock.connect_ex(target)
        if result in _PENDING:
            self.watch(WRITE)
        else:
            # Not now: who has asked for this waits for an answer to PORT first.
            loop.call_later(0, self._fail, os.strerror(result))

    def handle_write_event(self) -> None:
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(os.strerror(error))
        else:
            self.forget()
            self.closed = True  # the socket goes on
            self._connected(self.socket)

    def handle_close(self) -> None:
        self._fail("Connection refused")

    def sweep(self, now: float) -> None:
        """Give up when it takes too long."""
        if now >= self._deadline:
            self._fail("Connection timed out")

    def _fail(self, reason: str) -> None:
        if not self.closed:
            self.close()
            self._failed(reason)
