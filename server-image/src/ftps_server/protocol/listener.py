"""A control port."""

import errno
import socket
from typing import Any

from pyftpdlib.servers import FTPServer

from ftps_server import logs
from ftps_server.logs import warn
from ftps_server.protocol.session import ExplicitSession
from ftps_server.services import Services

BACKLOG = 511
PAUSE_SECONDS = 1.0
"""How long nobody is accepted after the kernel could not."""


class Listener(FTPServer):  # type: ignore[misc]
    """Accepts sessions. Limits are ours: pyftpdlib's count sockets, data connections included."""

    max_cons = 0

    def __init__(
        self,
        sock: socket.socket,
        session: type[ExplicitSession],
        *,
        services: Services,
        ioloop: Any,  # noqa: ANN401
    ) -> None:
        self.services = services
        self.sessions: set[ExplicitSession] = set()
        super().__init__(sock, session, ioloop=ioloop, backlog=BACKLOG)

    def handle_accept(self) -> None:
        try:
            super().handle_accept()
        except OSError as error:
            # Out of descriptors or of memory. Who waits stays in the backlog, and would wake the loop up all the time.
            warn("accept failed", error=error.strerror)
            self.del_channel()
            self.call_later(PAUSE_SECONDS, self.add_channel)

    def handle_error(self) -> None:
        # pyftpdlib closes the port, for good.
        logs.logger.exception("accept failed")

    def handle_accepted(self, sock: Any, addr: Any) -> Any:  # noqa: ANN401 - pyftpdlib is untyped
        session = super().handle_accepted(sock, addr)
        if session is not None:
            self.sessions.add(session)
        return session


def listen(port: int) -> list[socket.socket]:
    """Listen on all addresses: a socket a family, as a client's address should look like what it is."""
    sockets = [socket.create_server(("0.0.0.0", port), backlog=BACKLOG)]
    port = sockets[0].getsockname()[1]
    if socket.has_ipv6:
        try:
            sockets.append(socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG))
        except OSError as error:
            if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:  # a kernel without IPv6
                sockets[0].close()
                raise
    return sockets
