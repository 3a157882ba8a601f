"""Logins: a good hash takes long, nobody else waits for it, and guessing does not pay."""

import ftplib
import logging
import socket
import struct
import threading

import pytest

from ftps_server import passwords
from unit.ftps_server.harness import DEADLINE, PASSWORD, user, wait_for


class SlowCheck:
    """Stands in for the hash: passwords are wrong, and checks end when they are let go."""

    def __init__(self, monkeypatch):
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        monkeypatch.setattr(passwords, "_matches", self._matches)

    def _matches(self, *_):
        self.begun.release()
        assert self.go.wait(DEADLINE)
        return False


@pytest.fixture
def slow_check(monkeypatch):
    check = SlowCheck(monkeypatch)
    yield check
    check.go.set()


@pytest.fixture(autouse=True)
def _running(server):
    """Every test here needs a server."""


def test_a_session_does_not_wait_for_the_password_of_another(clients, slow_check):
    other = clients.connect()
    waiting = clients.connect()
    waiting.auth()
    waiting.sendcmd("USER alice")
    waiting.putcmd("PASS slow")
    assert slow_check.begun.acquire(timeout=DEADLINE)
    assert other.voidcmd("NOOP").startswith("200 ")
    slow_check.go.set()
    with pytest.raises(ftplib.error_perm, match="530 Authentication failed"):
        waiting.getresp()


def test_a_session_may_end_while_its_password_is_checked(clients, slow_check):
    client = clients.connect()
    client.auth()
    client.sendcmd("USER alice")
    client.putcmd("PASS slow")
    assert slow_check.begun.acquire(timeout=DEADLINE)
    client.close()
    slow_check.go.set()
    wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the session's end")
    assert clients.connect().voidcmd("NOOP").startswith("200 ")


def test_a_client_that_is_gone_when_its_password_is_checked_is_no_trouble(clients, monkeypatch, caplog):
    begun, go = threading.Event(), threading.Event()

    def match_late(*_):
        begun.set()
        return go.wait(DEADLINE)

    monkeypatch.setattr(passwords, "_matches", match_late)
    raw = clients.raw_implicit()
    raw.sendall(b"USER alice\r\nPASS right\r\nPWD\r\nEPSV\r\nNLST\r\n")
    assert begun.wait(DEADLINE)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    go.set()
    wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the session's end")
    assert clients.metric("ftps_server_passive_ports_in_use") == 0
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_unknown_user_and_a_wrong_password_look_alike(clients):
    for name in ("alice", "nobody"):
        client = clients.connect()
        client.auth()
        assert client.sendcmd(f"USER {name}") == "331 Username ok, send password."
        with pytest.raises(ftplib.error_perm) as caught:
            client.sendcmd("PASS wrong")
        assert str(caught.value) == "530 Authentication failed."


def test_three_wrong_passwords_end_the_session(clients):
    client = clients.connect()
    for _ in range(2):
        with pytest.raises(ftplib.error_perm, match="530 Authentication failed.$"):
            client.login("alice", "wrong")
    with pytest.raises(ftplib.error_perm, match="Disconnecting"):
        client.login("alice", "wrong")
    with pytest.raises(EOFError):
        client.sendcmd("NOOP")
    assert clients.metric('ftps_server_logins_total{outcome="failed"}') == 3


def test_a_segment_full_of_passwords_counts_as_one_attempt_after_another(clients):
    with clients.raw_implicit() as raw, raw.makefile("rb") as answers:
        assert answers.readline().startswith(b"220 ")
        guesses = [b"PASS wrong\r\n"] * 5 + [b"PASS " + PASSWORD.encode() + b"\r\n"]
        raw.sendall(b"".join(b"USER alice\r\n" + guess for guess in guesses))
        rest = [line[:3] for line in answers]
    assert rest == [b"331", b"530"] * 3


def test_commands_sent_ahead_of_the_login_are_carried_out_after_it(clients):
    with clients.raw_implicit() as raw, raw.makefile("rb") as answers:
        answers.readline()
        raw.sendall(f"USER alice\r\nPASS {PASSWORD}\r\nPWD\r\nQUIT\r\n".encode())
        assert [line[:3] for line in answers] == [b"331", b"230", b"257", b"221"]


def test_a_home_directory_is_made_at_the_first_login(clients, setup):
    setup.users(user(homeDirectory="/teams/blue/alice"))
    wait_for(lambda: clients.metric('ftps_server_reloads_total{file="users",outcome="ok"}'), "the reload")
    clients.login()
    assert (setup.storage / "teams/blue/alice").is_dir()


def test_a_home_that_leads_out_of_the_storage_is_refused(clients, setup, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (setup.storage / "alice").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ftplib.error_perm, match="530 Home directory unusable"):
        clients.login()


def test_another_user_may_log_in_on_the_same_session(clients):
    client = clients.login()
    client.login("rita", PASSWORD, secure=False)
    client.sendcmd("PBSZ 0")
    client.sendcmd("PROT P")
    with pytest.raises(ftplib.error_perm, match="550 Not enough privileges"):
        client.mkd("folder")
