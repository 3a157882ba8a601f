"""Passive mode: ports that are open from the start, addresses that are known, and who waits where."""

import errno
import ftplib
import os
import re
import socket

import pytest

from ftps_server import server as server_module
from ftps_server.protocol import passive
from ftps_server.protocol.session import ExplicitSession
from unit.ftps_server.harness import DEADLINE, PASSWORD, wait_for

IN_USE = "ftps_server_passive_ports_in_use"


def offered(answer):
    """The port of a 229."""
    return int(re.fullmatch(r"229 .*\(\|\|\|(\d+)\|\)\.", answer)[1])


def refused(client, command):
    with pytest.raises(ftplib.error_temp) as caught:
        client.sendcmd(command)
    return str(caught.value)


def listing_over(client, host, port, source="127.0.0.1"):
    """What NLST gives over a connection to one of the server's addresses, from one of the client's."""
    client.putcmd("NLST")
    assert client.getresp().startswith("150 ")
    with (
        socket.create_connection((host, port), timeout=DEADLINE, source_address=(source, 0)) as raw,
        client.context.wrap_socket(raw, server_hostname="localhost", session=client.sock.session) as data,
    ):
        listing = data.recv(1000)
    assert client.getresp().startswith("226 ")
    return listing


@pytest.mark.usefixtures("server")
def test_every_port_is_open_from_the_start_and_lets_nobody_in_who_is_not_waited_for(setup):
    for port in range(setup.passive.first, setup.passive.last + 1):
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port), timeout=DEADLINE) as early:
                assert early.recv(1) == b""


def test_a_port_that_somebody_has_is_told_at_the_start(setup, start):
    with (
        socket.create_server(("0.0.0.0", setup.passive.last)),
        pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)),
    ):
        start()


@pytest.mark.usefixtures("server")
def test_every_port_of_the_range_is_used_and_no_other(clients, setup):
    waiting = [clients.login() for _ in range(6)]
    ports = [offered(client.sendcmd("EPSV")) for client in waiting]
    assert set(ports[:5]) == set(range(setup.passive.first, setup.passive.last + 1))
    assert ports[5] in ports[:5]
    assert clients.metric(IN_USE) == clients.metric("ftps_server_passive_ports") == 5
    for client in waiting:
        client.close()
    wait_for(lambda: clients.metric(IN_USE) == 0, "free ports")


@pytest.mark.usefixtures("server")
def test_who_asks_again_waits_at_the_new_port_only(clients):
    client = clients.login()
    ports = [offered(client.sendcmd("EPSV")) for _ in range(3)]
    assert len(set(ports)) == 3
    assert clients.metric(IN_USE) == 1
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=DEADLINE) as late:
        assert late.recv(1) == b""
    assert listing_over(client, "127.0.0.1", ports[2]) == b""


def test_pasv_announces_the_address_of_the_clients_network(clients, setup, start):
    setup.announce("203.0.113.7", overrides=[{"cidrs": ["127.0.0.0/8"], "address": "198.51.100.9"}])
    start()
    assert re.match(r"227 .*\(198,51,100,9,\d+,\d+\)\.", clients.login().sendcmd("PASV"))


def test_without_an_address_pasv_is_refused_and_epsv_works(clients, setup, start):
    setup.announce(None)
    start()
    client = clients.login()
    assert refused(client, "PASV").startswith("425 The server does not know its own address yet")
    assert clients.metric(IN_USE) == 0
    assert offered(client.sendcmd("EPSV"))


@pytest.mark.usefixtures("server")
def test_over_ipv6_only_epsv_works(clients):
    client = clients.connect(host="::1")
    client.login("alice", PASSWORD)
    client.prot_p()
    assert refused(client, "PASV").startswith("425 PASV knows IPv4 only")
    assert client.nlst() == []


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("host", "source"), [("127.0.0.3", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
def test_data_may_come_to_another_address_or_from_another_one(clients, host, source):
    client = clients.login()
    assert listing_over(client, host, offered(client.sendcmd("EPSV")), source) == b""


@pytest.mark.parametrize("command_waits", [True, False])
def test_a_client_that_does_not_connect_gives_its_port_back(clients, setup, start, monkeypatch, command_waits):
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.02)
    setup.configure(limits={"handshakeTimeoutSeconds": 1})
    start()
    client = clients.login()
    client.sendcmd("EPSV")
    if command_waits:
        client.putcmd("STOR file")
        assert client.getresp().startswith("150 ")
        with pytest.raises(ftplib.error_temp, match="425 Nobody connected"):
            client.getresp()
    wait_for(lambda: clients.metric(IN_USE) == 0, "a free port")
    # Answers and commands are still in step.
    assert client.sendcmd("PWD").startswith("257 ")


@pytest.mark.usefixtures("server")
def test_a_session_that_ends_while_it_is_offered_a_port_gives_it_back(clients, monkeypatch):
    respond = ExplicitSession.respond
    # What happens when the answer cannot be sent.
    monkeypatch.setattr(
        ExplicitSession, "respond", lambda self, text, **_: self.close() if text[:3] == "229" else respond(self, text)
    )
    with pytest.raises(EOFError):
        clients.login().sendcmd("EPSV")
    wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the session's end")
    assert clients.metric(IN_USE) == 0


def test_a_data_connection_that_the_kernel_cannot_accept_now_is_accepted_later(clients, server, monkeypatch):
    monkeypatch.setattr(passive, "PAUSE_SECONDS", 0.01)
    failing = [_Failing(each.socket) for each in server._services.passive._acceptors]
    for acceptor, sock in zip(server._services.passive._acceptors, failing, strict=True):
        acceptor.socket = sock
    assert clients.login().nlst() == []
    assert [sock.failures for sock in failing].count(0) == 1


class _Failing:
    """A listening socket of which the kernel refuses the first connections."""

    def __init__(self, sock):
        self._sock = sock
        self.failures = 3

    def accept(self):
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._sock.accept()

    def __getattr__(self, name):
        return getattr(self._sock, name)
