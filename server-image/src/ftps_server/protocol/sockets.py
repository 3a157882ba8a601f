"""Listening sockets."""

import errno
import socket
from collections.abc import Sequence

BACKLOG = 511
EVERYWHERE = ("0.0.0.0", "::")


def listen(port: int, addresses: Sequence[str] = ()) -> list[socket.socket]:
    """Listen on some addresses, or on all: a socket a family, as a client's address should look like what it is.

    Raises OSError where the port is taken.
    """
    sockets: list[socket.socket] = []
    try:
        for address in addresses or EVERYWHERE:
            try:
                made = _listen(address, port)
            except OSError as error:
                # A kernel without IPv6.
                if addresses or ":" not in address or error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                    raise
            else:
                port = made.getsockname()[1]
                sockets.append(made)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.create_server((address, port), family=family, backlog=BACKLOG)
    sock.setblocking(False)
    # What it accepts inherits this: the end of a handshake or of a file does not wait for an acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
