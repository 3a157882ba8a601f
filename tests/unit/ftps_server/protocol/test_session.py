"""Control connections: what is possible when."""

import ftplib
import socket
import ssl
import subprocess
from collections.abc import Callable

import pytest


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ftplib.Error) as caught:
        call()
    return str(caught.value)


@pytest.fixture(autouse=True)
def _running(server):
    """Every test here needs a server."""


def test_explicit_and_implicit_sessions_are_served_by_one_process(clients):
    implicit = clients.implicit()
    implicit.login("alice", "correct horse", secure=False)
    explicit = clients.login()
    explicit.mkd("made-in-explicit")
    assert implicit.nlst() == ["made-in-explicit"]


def test_curl_lists_over_implicit_ftps(clients, setup, pki, tmp_path):
    (tmp_path / "ca.pem").write_bytes(pki.root())
    clients.login().mkd("folder")
    command = ["curl", "--silent", "--show-error", "--cacert", str(tmp_path / "ca.pem"), "--user"]
    command += ["alice:correct horse", "--list-only", f"ftps://localhost:{setup.implicit}/"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == ["folder"]


def test_credentials_are_refused_before_auth_tls(clients):
    plain = clients.plain()
    assert refusal(lambda: plain.sendcmd("USER alice")).startswith("530 Not without TLS")
    assert refusal(lambda: plain.sendcmd("PASS secret")).startswith("530 Not without TLS")


def test_anonymous_is_nobody(clients):
    client = clients.connect()
    assert refusal(lambda: client.login("anonymous", "a@example.org")) == "530 Authentication failed."


def test_what_came_in_clear_together_with_auth_is_dropped(clients, setup):
    with socket.create_connection(("127.0.0.1", setup.explicit), timeout=10) as raw:
        assert raw.recv(1024).startswith(b"220 ")
        raw.sendall(b"AUTH TLS\r\nFEAT\r\nUSER mallory\r\n")
        assert raw.recv(1024) == b"234 AUTH TLS successful.\r\n"
        with clients.context().wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(b"NOOP\r\n")
            assert secure.recv(1024).startswith(b"200 ")


def test_clear_data_connections_are_refused(clients):
    client = clients.connect()
    client.login("alice", "correct horse")
    assert refusal(lambda: client.sendcmd("PASV")).startswith("521 ")
    assert refusal(lambda: client.sendcmd("EPSV")).startswith("521 ")
    assert refusal(lambda: client.sendcmd("PROT C")).startswith("534 ")


def test_prot_c_after_pasv_does_not_make_the_transfer_clear(clients):
    client = clients.login()
    client.mkd("to-be-listed")
    host, port = client.makepasv()
    assert refusal(lambda: client.sendcmd("PROT C")).startswith("534 ")
    client.putcmd("NLST")
    with socket.create_connection((host, port), timeout=10) as raw:
        assert client.getresp().startswith("150 ")
        raw.sendall(b"clear")
        assert raw.recv(1024) == b""
    assert refusal(client.getresp).startswith("522 ")


@pytest.mark.parametrize("command", ["PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|51210|"])
def test_active_mode_is_refused_in_words(clients, command):
    client = clients.login()
    assert refusal(lambda: client.sendcmd(command)) == "502 Active mode is not offered; use PASV or EPSV."


def test_features_name_what_is_served(clients):
    features = clients.login().sendcmd("FEAT").split()
    assert {"PBSZ", "PROT", "EPSV", "TLS"} <= set(features)
    assert "EPRT" not in features
    assert "SSL" not in features


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions_in_use_are_served(clients, version):
    assert clients.login(version=version).nlst() == []


def test_a_read_only_user_reads_only(clients, setup):
    (setup.storage / "rita").mkdir()
    (setup.storage / "rita" / "report").write_bytes(b"figures")
    client = clients.login("rita")
    received = []
    client.retrbinary("RETR report", received.append)
    assert b"".join(received) == b"figures"
    for command in ("DELE report", "MKD folder", "RNFR report", "STOR new", "APPE report"):
        assert refusal(lambda command=command: client.sendcmd(command)) == "550 Not enough privileges."


def test_an_aborted_command_is_not_taken_up_by_the_next_connection(clients):
    client = clients.login()
    client.makepasv()
    client.putcmd("STOR never")
    assert client.getresp().startswith("150 ")
    client.putcmd("ABOR")
    assert refusal(client.getresp).startswith("426 ")
    assert client.getresp().startswith("225 ")
    assert client.nlst() == ["never"]
