"""Limits: how many, how often, and how long."""

import socket
import time
from functools import partial

import pytest

from features.harness import at_once, begun, data_socket, download, home, refusal, reloaded, rest, upload
from ftps_server.protocol.session import ExplicitSession
from unit.ftps_server.harness import DEADLINE, user, wait_for

MIB = 1 << 20


@pytest.fixture
def serve(setup, start):
    def serve(**limits: object) -> None:
        setup.configure(limits=limits)
        start()

    return serve


# How many


def test_sessions_are_limited_in_all_and_by_address(clients, serve):
    serve(maxSessions=3, maxSessionsPerAddress=2)
    first = clients.login()
    clients.login()
    assert refusal(clients.connect).startswith("421 Too many sessions from your address")
    clients.connect(host="::1")
    assert refusal(lambda: clients.connect(host="::1")) == "421 Too many sessions; try again later."
    first.quit()
    wait_for(lambda: clients.metric("ftps_server_sessions") == 2, "the session's end")
    assert clients.login().nlst() == []


def test_sessions_are_limited_by_user(clients, setup, serve):
    setup.users(user(maxSessions=2), user("bob"))
    serve()
    sessions = at_once([clients.login] * 2)
    assert refusal(clients.login) == "530 Too many sessions of this user."
    clients.login("bob")
    # Who logs in as somebody else gives the place back.
    sessions[0].login("bob", "correct horse", secure=False)
    clients.login().quit()


def test_no_more_sessions_than_allowed_get_in_at_once(clients, setup, serve):
    setup.users(user(maxSessions=3))
    serve()

    def attempt() -> str:
        client = clients.connect()
        client.auth()
        client.sendcmd("USER alice")
        client.putcmd("PASS correct horse")
        return client.getline()[:3]

    answers = at_once([attempt] * 12)
    assert sorted(answers) == ["230"] * 3 + ["530"] * 9


# How often


def test_a_wrong_password_takes_its_time_and_nobody_elses(clients, serve, monkeypatch):
    serve()
    monkeypatch.setattr(ExplicitSession, "auth_failed_timeout", 0.5)
    other, guessing = clients.login(), clients.connect()
    guessing.auth()
    guessing.sendcmd("USER alice")
    begin = time.monotonic()
    guessing.putcmd("PASS wrong")
    other.voidcmd("NOOP")
    assert time.monotonic() - begin < 0.5
    assert refusal(guessing.getresp).startswith("530 ")
    assert time.monotonic() - begin >= 0.5


def test_who_fails_too_often_is_let_in_again_after_a_while(clients, serve):
    serve(ban={"failures": 2, "seconds": 1})
    inside = clients.login()
    assert refusal(lambda: clients.connect().login("alice", "wrong")) == "530 Authentication failed."
    last = clients.connect()
    # The session that made it too much ends, and no other one of the address does.
    assert refusal(lambda: last.login("nobody", "wrong")) == "530 Authentication failed. Disconnecting."
    banned = time.monotonic()
    assert refusal(clients.connect) == "421 Too many failed logins; try again later."
    assert refusal(clients.implicit) == "421 Too many failed logins; try again later."
    assert inside.nlst() == []
    clients.connect(host="::1").login("alice", "correct horse")
    wait_for(lambda: _gets_in(clients), "the end of the ban")
    assert time.monotonic() - banned > 0.8
    assert clients.login().nlst() == []


def _gets_in(clients) -> bool:
    with socket.create_connection(("127.0.0.1", clients.setup.explicit), DEADLINE) as raw:
        return raw.recv(3) == b"220"


# How long


def test_who_does_not_log_in_is_sent_away(clients, serve):
    serve(loginTimeoutSeconds=1)
    kept = clients.login()
    for client in (clients.connect(), clients.implicit()):
        assert refusal(client.getresp) == "421 Login timed out."
        assert rest(client.sock) == b""
    assert kept.nlst() == []


def test_who_does_nothing_is_sent_away_and_who_transfers_is_not(clients, setup, serve):
    (home(setup) / "big").write_bytes(bytes(24 * MIB))
    serve(idleTimeoutSeconds=1)
    idle, busy, chatty = clients.login(), clients.login(), clients.login()
    with begun(busy, "RETR big") as connection:
        assert refusal(idle.getresp) == "421 Control connection timed out."
        deadline = time.monotonic() + 1.2
        wait_for(lambda: chatty.voidcmd("NOOP") and connection.recv(1) and time.monotonic() > deadline)
        rest(connection)
        connection.unwrap()
    assert busy.voidresp().startswith("226 ")
    assert chatty.nlst() == ["big"]


def test_a_reader_and_a_writer_that_stand_still_are_cut_off(clients, setup, serve):
    (home(setup) / "big").write_bytes(bytes(64 * MIB))
    serve(transferTimeoutSeconds=1)
    reader, writer, slow = clients.login(), clients.login(), clients.login()
    with begun(reader, "RETR big"), begun(writer, "STOR still") as written, begun(slow, "STOR slow") as dripping:
        written.sendall(b"begun")
        deadline = time.monotonic() + 1.5

        def drip() -> bool:
            dripping.sendall(b".")
            return time.monotonic() > deadline

        wait_for(drip)
        assert refusal(reader.getresp) == "426 No data for too long; transfer aborted."
        assert refusal(writer.getresp) == "426 No data for too long; transfer aborted."
        dripping.unwrap()
        assert slow.voidresp().startswith("226 ")
    # Sessions go on, and so may the uploads.
    assert reader.nlst() == ["big", "slow"]
    upload(writer, "still", b" and ended", rest=writer.size("still"))
    assert download(writer, "still") == b"begun and ended"


def test_a_handshake_that_does_not_end_is_not_waited_for(clients, setup, serve):
    serve(handshakeTimeoutSeconds=1)

    def attempt(port, *parts):
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as raw:
            for part in parts:
                raw.sendall(part)
            return rest(raw)

    attempts = [
        (setup.implicit,),
        (setup.implicit, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"),
        (setup.explicit, b"AUTH TLS\r\n"),
    ]
    answers = at_once([partial(attempt, *each) for each in attempts])
    assert [answer.splitlines()[1:] for answer in answers] == [[], [], [b"234 AUTH TLS successful."]]
    wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the sessions' end")


def test_a_data_connection_that_does_not_come_is_not_waited_for(clients, serve):
    serve(handshakeTimeoutSeconds=1)
    waiting, silent, mute = clients.login(), clients.login(), clients.login()
    with data_socket(mute) as raw:
        waiting.sendcmd("EPSV")
        silent.sendcmd("EPSV")
        assert clients.metric("ftps_server_passive_ports_in_use") == 3
        assert waiting.sendcmd("NLST").startswith("150 ")
        assert mute.sendcmd("NLST").startswith("150 ")
        assert refusal(waiting.getresp) == "425 Nobody connected in time."
        assert refusal(mute.getresp)[:4] in {"425 ", "522 "}
        assert rest(raw) == b""
    wait_for(lambda: clients.metric("ftps_server_passive_ports_in_use") == 0, "the ports' release")
    # It did not ask: an answer would be taken for the next command's.
    assert silent.sendcmd("PWD").startswith("257 ")
    assert silent.nlst() == waiting.nlst() == mute.nlst() == []


# How large


def test_names_and_paths_that_are_too_long_are_refused_and_the_session_goes_on(clients, serve):
    serve()
    client = clients.login()
    assert refusal(lambda: client.mkd("n" * 256)) == "550 File name too long."
    for _ in range(20):
        client.mkd("d" * 200)
        client.cwd("d" * 200)
        if len(client.pwd()) > 3600:
            break
    for command in ("MKD", "STOR", "CWD", "SIZE", "RNFR", "MLST", "DELE"):
        # Shorter than a line may be, and longer than a path may be.
        assert refusal(lambda command=command: client.sendcmd(f"{command} {'a/' * 500}b")).startswith(("550", "425"))
    assert client.nlst() == []


def test_a_line_that_is_too_long_is_answered_once(clients, serve):
    serve()
    client = clients.login()
    assert refusal(lambda: client.sendcmd("STOR " + "x" * 100_000)).startswith("500 ")
    assert client.sendcmd("PWD").startswith("257 ")


# While sessions go on


def test_limits_are_reloaded(clients, setup, serve):
    serve()
    running = clients.login()
    seen = reloaded(clients, "limits")
    setup.configure(limits={"maxSessions": 1, "handshakeTimeoutSeconds": 1})
    wait_for(seen, "the reload")
    assert refusal(clients.connect).startswith("421 ")
    running.sendcmd("EPSV")
    running.sendcmd("NLST")
    assert refusal(running.getresp).startswith("425 ")
    assert running.nlst() == []
