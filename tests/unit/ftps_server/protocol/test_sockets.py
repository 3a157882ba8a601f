"""Listening sockets."""

import socket

import pytest

from ftps_server.protocol.sockets import listen
from unit.ftps_server.harness import DEADLINE, free_ports


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


def test_a_port_is_open_at_the_addresses_that_are_named():
    (listening,) = listen(0, ["127.0.0.1"])
    with listening:
        port = listening.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=DEADLINE)
