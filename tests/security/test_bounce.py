"""Active mode connects to the client that asked for it, and to nobody else (RFC 2577)."""

import ftplib
import socket
import ssl

import pytest

from security.harness import ELSEWHERE, HOST, ask, failure, logged_in
from unit.ftps_server.harness import DEADLINE


@pytest.fixture(autouse=True)
def _running(setup, start):
    setup.configure(active={"enabled": True})
    start()


@pytest.fixture
def victim():
    """Somebody else's service."""
    with socket.create_server((ELSEWHERE, 0)) as listening:
        listening.settimeout(0)
        yield listening


@pytest.fixture
def own():
    """Where the client listens."""
    with socket.create_server((HOST, 0)) as listening:
        listening.settimeout(DEADLINE)
        yield listening


def commands(host, port):
    """To have a data connection there."""
    return [f"PORT {host.replace('.', ',')},{port >> 8},{port & 255}", f"EPRT |1|{host}|{port}|"]


def test_nobody_else_is_connected_to(clients, victim):
    client = logged_in(clients)
    for command in commands(*victim.getsockname()):
        with pytest.raises(ftplib.error_perm, match="501 Data connections go to your own address only"):
            client.sendcmd(command)
    for command in ("EPRT |2|::ffff:127.0.0.2|4000|", "EPRT |1|localhost|4000|", "PORT 127,0,0,2,250"):
        with pytest.raises(ftplib.error_perm, match="50[1-9] |522 "):
            client.sendcmd(command)
    with pytest.raises(ftplib.error_temp, match="425 "):
        client.sendcmd("NLST")
    with pytest.raises(BlockingIOError):
        victim.accept()


@pytest.mark.parametrize("port", [1, 25, 1023])
def test_no_service_of_the_clients_machine_is_connected_to(clients, port):
    client = logged_in(clients)
    for command in commands(HOST, port):
        with pytest.raises(ftplib.error_perm, match="501 Data connections go to ports from 1024 on only"):
            client.sendcmd(command)


@pytest.mark.parametrize("number", [0, 1], ids=["PORT", "EPRT"])
@pytest.mark.usefixtures("impatient")
def test_the_client_itself_is_connected_to_and_must_resume(clients, own, number):
    client = logged_in(clients)
    client.mkd("folder")

    def connected(session):
        client.putcmd(commands(*own.getsockname())[number])
        connection, _ = own.accept()
        assert client.getresp().startswith("200 ")
        ask(client, "NLST")
        return client.context.wrap_socket(connection, server_hostname="localhost", session=session)

    with connected(client.sock.session) as data:
        assert data.recv(100) == b"folder\r\n"
        assert data.recv(100) == b""
    assert client.getresp().startswith("226 ")
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        connected(None)
    assert failure(client).startswith("522 The data connection must resume")
