"""Control ports: what the kernel cannot give now, it can give later."""

import errno
import os

from ftps_server.protocol import listener
from ftps_server.protocol.listener import Listener


def fail_at_first(monkeypatch, *errors):
    """Have a control port's first events fail."""
    handle, left = Listener.handle_read_event, iter(errors)

    def fail_or_handle(self):
        for error in left:
            raise error
        handle(self)

    monkeypatch.setattr(Listener, "handle_read_event", fail_or_handle)
    return left


def test_a_port_goes_on_after_the_kernel_could_not_accept(clients, server, monkeypatch):
    (port,) = [
        each for each in server._listeners if each.socket.getsockname()[:2] == ("0.0.0.0", clients.setup.explicit)
    ]
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.01)
    port.socket = _Failing(port.socket, [OSError(errno.EMFILE, os.strerror(errno.EMFILE))] * 3)
    assert clients.connect().voidcmd("NOOP").startswith("200 ")
    assert not port.socket.errors


def test_a_port_survives_a_mistake_of_ours(clients, start, monkeypatch):
    left = fail_at_first(monkeypatch, RuntimeError("a mistake"))
    start()
    assert clients.connect().voidcmd("NOOP").startswith("200 ")
    assert next(left, None) is None


class _Failing:
    """A listening socket of which the kernel refuses the first connections."""

    def __init__(self, sock, errors):
        self._sock = sock
        self.errors = errors

    def accept(self):
        if self.errors:
            raise self.errors.pop()
        return self._sock.accept()

    def __getattr__(self, name):
        return getattr(self._sock, name)
