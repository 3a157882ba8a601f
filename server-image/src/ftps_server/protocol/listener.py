"""A control port."""

import socket
from typing import Any

from pyftpdlib.servers import FTPServer

from ftps_server.protocol.session import ExplicitSession
from ftps_server.services import Services

BACKLOG = 511


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
        except OSError:
            return sockets  # a kernel without IPv6
    return sockets
