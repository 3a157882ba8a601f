"""Active mode: the server connects, from the ports that RFC 959 names where it may."""

import ftplib
import os
import socket
import subprocess

import pytest

from features.harness import download, refusal, upload
from unit.ftps_server.harness import DEADLINE, Clients, Ftps


@pytest.fixture
def _active(setup, start):
    setup.configure(active={"enabled": True})
    start()


def may_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind(("", port))
        except PermissionError:
            return False
        return True


def logged_in(clients: Clients, mode: str = "explicit", host: str = "127.0.0.1") -> Ftps:
    client = clients.connect(host=host) if mode == "explicit" else clients.implicit()
    client.login("alice", "correct horse", secure=mode == "explicit")
    if mode == "explicit":
        client.prot_p()
    client.set_pasv(val=False)
    return client


def sender(client: Ftps, command: str) -> tuple[str, int]:
    """Who has sent PORT's or EPRT's data connection."""
    host = client.sock.getsockname()[0]
    with socket.create_server((host, 0), family=client.af) as listening:
        listening.settimeout(DEADLINE)
        port = listening.getsockname()[1]
        if command == "PORT":
            client.sendport(host, port)
        else:
            client.sendeprt(host, port)
        accepted, peer = listening.accept()
        accepted.close()
    return peer[:2]


@pytest.mark.usefixtures("_active")
@pytest.mark.parametrize(("mode", "host"), [("explicit", "127.0.0.1"), ("explicit", "::1"), ("implicit", "127.0.0.1")])
def test_files_go_over_connections_that_the_server_opens(clients, mode, host):
    client = logged_in(clients, mode, host)
    content = os.urandom(1 << 20)
    upload(client, "file", content)
    assert download(client, "file") == content
    assert client.nlst() == ["file"]


@pytest.mark.usefixtures("_active")
@pytest.mark.parametrize("command", ["PORT", "EPRT"])
@pytest.mark.parametrize(("mode", "port"), [("explicit", 20), ("implicit", 989)])
def test_the_source_port_is_the_one_below_the_control_port(clients, command, mode, port):
    if not may_bind(port):
        pytest.skip("ports below 1024 are not for this user")
    client = logged_in(clients, mode)
    # Also while another connection has it.
    other = logged_in(clients, mode)
    assert sender(client, command) == ("127.0.0.1", port)
    assert sender(other, command) == ("127.0.0.1", port)


@pytest.mark.usefixtures("_active")
def test_the_source_port_is_the_same_over_ipv6(clients):
    if not may_bind(20):
        pytest.skip("ports below 1024 are not for this user")
    assert sender(logged_in(clients, host="::1"), "EPRT") == ("::1", 20)


def test_without_the_right_to_a_source_port_the_log_says_why_and_another_is_taken(clients, setup, launch):
    drop = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"] if may_bind(20) else []
    if drop and subprocess.run([*drop, "true"], check=False, capture_output=True).returncode:
        pytest.skip("capabilities cannot be dropped here")
    setup.configure(active={"enabled": True})
    process = launch(*drop)
    for port in (20, 989):
        assert process.wait_for_event("source port unavailable", port=port)["reason"] == "Permission denied"
    client = logged_in(clients)
    assert sender(client, "PORT")[1] >= 1024
    assert client.nlst() == []


@pytest.mark.parametrize("command", ["PORT 127,0,0,1,200,10", "EPRT |2|::1|51210|"])
def test_active_mode_is_off_unless_it_is_asked_for(server, clients, command):
    client = clients.login()
    assert refusal(lambda: client.sendcmd(command)).startswith("502 ")
    name = command[:4]
    assert not [line for line in client.sendcmd("FEAT").splitlines() if name in line]
    assert name not in client.sendcmd("HELP")


@pytest.mark.usefixtures("_active")
@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("PORT 127,0,0,2,200,10", "501 "),
        ("EPRT |1|192.0.2.1|51210|", "501 "),
        ("EPRT |2|::1|51210|", "522 "),
        ("PORT 127,0,0,1,0,22", "501 "),
        ("PORT 127,0,0,1,200", "501 "),
        ("EPRT |3|127.0.0.1|51210|", "5"),
    ],
)
def test_the_server_connects_to_the_client_itself_only(clients, command, answer):
    client = logged_in(clients)
    assert refusal(lambda: client.sendcmd(command)).startswith(answer)
    assert client.nlst() == []


@pytest.mark.usefixtures("_active")
def test_data_connections_that_the_server_opens_are_encrypted_and_resume(clients):
    client = clients.connect()
    client.login("alice", "correct horse")
    assert refusal(lambda: client.sendcmd("PORT 127,0,0,1,200,10")).startswith("521 ")
    client.prot_p()
    client.set_pasv(val=False)
    client.resumes = False
    with pytest.raises((ftplib.error_perm, OSError)):
        client.nlst()
    assert clients.metric('ftps_server_data_connections_total{tls="resumed"}') is None


@pytest.mark.usefixtures("_active")
def test_a_client_that_does_not_listen_is_told_so(clients):
    client = logged_in(clients)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert refusal(lambda: client.sendport("127.0.0.1", port)).startswith("425 ")
    assert client.nlst() == []
