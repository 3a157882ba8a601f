"""Passive mode: only ports of the range, only addresses that are known."""

import errno
import ftplib
import os
import re
import socket
from contextlib import ExitStack

import pytest

from ftps_server.protocol.passive import PassiveAcceptor
from ftps_server.protocol.session import ExplicitSession
from unit.ftps_server.harness import DEADLINE, wait_for


def offered(answer):
    """The port of a 229."""
    return int(re.fullmatch(r"229 .*\(\|\|\|(\d+)\|\)\.", answer)[1])


def refused(client, command):
    with pytest.raises(ftplib.error_temp) as caught:
        client.sendcmd(command)
    return str(caught.value)


@pytest.mark.usefixtures("server")
def test_every_port_of_the_range_is_used_and_no_other(clients, setup):
    waiting = [clients.login() for _ in range(5)]
    ports = {offered(client.sendcmd("EPSV")) for client in waiting}
    assert ports == set(range(setup.passive.first, setup.passive.last + 1))
    one_more = clients.login()
    assert refused(one_more, "EPSV") == "425 All passive ports are in use; try again."
    assert clients.metric("ftps_server_passive_ports_in_use") == clients.metric("ftps_server_passive_ports") == 5
    waiting[0].close()
    wait_for(lambda: clients.metric("ftps_server_passive_ports_in_use") == 4, "a free port")
    assert one_more.nlst() == []


@pytest.mark.usefixtures("server")
def test_ports_that_others_have_are_left_out(clients, setup):
    taken = range(setup.passive.first, setup.passive.last)
    client = clients.login()
    with ExitStack() as others:
        for port in taken:
            others.enter_context(socket.create_server(("127.0.0.1", port)))
        for _ in range(3):
            assert offered(client.sendcmd("EPSV")) == setup.passive.last
    assert client.nlst() == []
    assert clients.metric("ftps_server_passive_ports_in_use") == 0
    # Nothing that was tried is left behind listening.
    for port in taken:
        socket.create_server(("127.0.0.1", port)).close()


def test_pasv_announces_the_address_of_the_clients_network(clients, setup, start):
    setup.announce("203.0.113.7", overrides=[{"cidrs": ["127.0.0.0/8"], "address": "198.51.100.9"}])
    start()
    assert re.match(r"227 .*\(198,51,100,9,\d+,\d+\)\.", clients.login().sendcmd("PASV"))


def test_without_an_address_pasv_is_refused_and_epsv_works(clients, setup, start):
    setup.announce(None)
    start()
    client = clients.login()
    assert refused(client, "PASV").startswith("425 The server does not know its own address yet")
    assert offered(client.sendcmd("EPSV"))


@pytest.mark.usefixtures("server")
def test_over_ipv6_only_epsv_works(clients):
    client = clients.connect(host="::1")
    client.login("alice", "correct horse")
    client.prot_p()
    assert refused(client, "PASV").startswith("425 PASV knows IPv4 only")
    offered(client.sendcmd("EPSV"))
    assert client.nlst() == []


@pytest.mark.usefixtures("server")
def test_a_connection_from_elsewhere_is_closed_and_the_client_still_gets_in(clients):
    client = clients.login()
    port = offered(client.sendcmd("EPSV"))
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE, source_address=("127.0.0.2", 0)) as foreign:
        assert foreign.recv(1) == b""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as raw:
        client.putcmd("NLST")
        assert client.getresp().startswith("1")
        with clients.context().wrap_socket(raw, server_hostname="localhost") as data:
            assert data.recv(1) == b""
    assert client.getresp().startswith("226 ")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("command_waits", [True, False])
def test_a_client_that_does_not_connect_gives_its_port_back(clients, monkeypatch, command_waits):
    monkeypatch.setattr(PassiveAcceptor, "timeout", 0.1)
    client = clients.login()
    client.sendcmd("EPSV")
    if command_waits:
        client.putcmd("STOR file")
        assert client.getresp().startswith("150 ")
        with pytest.raises(ftplib.error_temp, match="425 Nobody connected"):
            client.getresp()
    wait_for(lambda: clients.metric("ftps_server_passive_ports_in_use") == 0, "a free port")
    # Answers and commands are still in step.
    assert client.sendcmd("PWD").startswith("257 ")


@pytest.mark.usefixtures("server")
def test_data_may_come_to_another_address_than_the_control_connection(clients):
    client = clients.login()
    port = offered(client.sendcmd("EPSV"))
    client.putcmd("NLST")
    assert client.getresp().startswith("150 ")
    with (
        socket.create_connection(("127.0.0.3", port), timeout=DEADLINE, source_address=("127.0.0.1", 0)) as raw,
        clients.context().wrap_socket(raw, server_hostname="localhost") as data,
    ):
        assert data.recv(1) == b""
    assert client.getresp().startswith("226 ")


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
    assert clients.metric("ftps_server_passive_ports_in_use") == 0


@pytest.mark.usefixtures("server")
def test_a_data_connection_that_the_kernel_cannot_accept_is_answered(clients, monkeypatch):
    def fail(_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    client = clients.login()
    port = offered(client.sendcmd("EPSV"))
    client.putcmd("NLST")
    assert client.getresp().startswith("150 ")
    monkeypatch.setattr(PassiveAcceptor, "accept", fail)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE),
        pytest.raises(ftplib.error_temp, match="425 The data connection could not be accepted"),
    ):
        client.getresp()
    monkeypatch.undo()
    assert client.nlst() == []
