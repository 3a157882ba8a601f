"""Control connections: what is possible when."""

import ftplib
import logging
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from pyftpdlib.ioloop import AsyncChat

from ftps_server.protocol import control
from unit.ftps_server.harness import DEADLINE, wait_for


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ftplib.Error) as caught:
        call()
    return str(caught.value)


@pytest.fixture(autouse=True)
def _running(setup, start):
    """Every test here needs a server."""
    setup.configure(limits={"handshakeTimeoutSeconds": 1})
    start()


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


def test_tls_waits_for_an_answer_that_the_kernel_has_no_room_for_yet(clients, monkeypatch):
    send, refused = AsyncChat.send, []

    def send_later(self, data):
        if data.startswith(b"234 ") and len(refused) < 2:
            refused.append(data)
            return 0
        return send(self, data)

    monkeypatch.setattr(AsyncChat, "send", send_later)
    assert clients.login().nlst() == []
    assert len(refused) == 2


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
    assert client.getresp().startswith("226 ")
    assert client.nlst() == []


def test_a_command_with_nul_is_refused_and_the_session_goes_on(clients):
    client = clients.login()
    assert refusal(lambda: client.sendcmd("RETR a\0b")).startswith("501 ")
    assert client.voidcmd("NOOP").startswith("200 ")


def test_the_rest_of_a_line_that_is_too_long_is_no_command(clients):
    with clients.raw_implicit() as raw, raw.makefile("rb") as answers:
        answers.readline()
        raw.sendall(b"X" * 2100)
        assert answers.readline().startswith(b"500 Command too long")
        raw.sendall(b"NOOP\r\nSYST\r\n")
        assert answers.readline().startswith(b"215 ")


def test_nothing_is_carried_out_behind_quit(clients):
    with clients.raw_implicit() as raw, raw.makefile("rb") as answers:
        raw.sendall(b"QUIT\r\nNOOP\r\n")
        assert [line[:3] for line in answers] == [b"220", b"221"]


def test_quit_does_not_wait_for_a_data_connection_that_nothing_uses(clients):
    client = clients.login()
    host, port = ftplib.parse229(client.sendcmd("EPSV"), client.sock.getpeername())
    raw = socket.create_connection((host, port), timeout=DEADLINE)
    with client.context.wrap_socket(raw, server_hostname="localhost", session=client.sock.session):
        assert client.sendcmd("QUIT").startswith("221 ")
        wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the session's end")


@pytest.mark.parametrize("mode", ["explicit", "implicit"])
def test_a_handshake_that_does_not_begin_is_not_waited_for(setup, mode):
    with socket.create_connection(("127.0.0.1", getattr(setup, mode)), timeout=DEADLINE) as raw:
        if mode == "explicit":
            raw.sendall(b"AUTH TLS\r\n")
            assert raw.makefile("rb").readlines()[-1].startswith(b"234 ")
        else:
            assert raw.recv(1) == b""


def test_a_finished_handshake_is_not_cut(clients):
    client = clients.login()
    late = time.monotonic() + 1.2
    wait_for(lambda: client.voidcmd("NOOP") and time.monotonic() > late)


def test_what_is_no_tls_ends_the_session_without_a_fuss(clients, caplog):
    with clients.raw_implicit() as raw:
        os.write(raw.fileno(), b"no record of TLS")
        wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the session's end")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("how", ["asks on", "quits"])
def test_who_does_not_read_its_answers_is_cut_off(clients, setup, monkeypatch, how):
    monkeypatch.setattr(control, "MAX_UNREAD_ANSWERS", 10 if how == "asks on" else 1 << 30)
    monkeypatch.setattr(control, "CLOSE_SECONDS", 0.1)
    with socket.create_connection(("127.0.0.1", setup.explicit), timeout=DEADLINE) as raw:
        raw.recv(100)
        wait_for(lambda: clients.metric("ftps_server_sessions") == 1, "the session")
        # More answers than the kernel holds, whatever it grows its buffers to.
        with suppress(ConnectionError):
            raw.sendall(b"HELP\r\n" * 30000 + b"QUIT\r\n")
        wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the session's end")
