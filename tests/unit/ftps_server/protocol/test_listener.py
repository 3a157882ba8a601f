"""Control ports: what the kernel cannot give now, it can give later."""

import errno
import os
import socket

import pytest

from ftps_server.protocol import listener
from ftps_server.protocol.listener import Listener, listen
from unit.ftps_server.harness import DEADLINE, free_ports


def test_a_port_goes_on_after_the_kernel_could_not_accept(clients, start, monkeypatch):
    accept = Listener.accept
    refusals = iter([OSError(errno.EMFILE, os.strerror(errno.EMFILE))] * 3)

    def refuse_at_first(self):
        for error in refusals:
            raise error
        return accept(self)

    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Listener, "accept", refuse_at_first)
    start()
    assert clients.connect().voidcmd("NOOP").startswith("200 ")
    assert next(refusals, None) is None


def test_a_port_survives_a_mistake_of_ours(clients, start, monkeypatch):
    accept = Listener.accept
    mistakes = iter([RuntimeError("a mistake")])

    def fail_at_first(self):
        for error in mistakes:
            raise error
        return accept(self)

    monkeypatch.setattr(Listener, "accept", fail_at_first)
    start()
    assert clients.connect().voidcmd("NOOP").startswith("200 ")


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
def test_a_port_that_is_taken_is_an_error(family, host):
    port = free_ports(1)
    with (
        socket.create_server((host, port), family=family),
        pytest.raises(OSError, match="Address already in use"),
    ):
        listen(port)


def test_a_port_is_open_on_both_families():
    port = free_ports(1)
    listening = listen(port)
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port), timeout=DEADLINE).close()
    for sock in listening:
        sock.close()
