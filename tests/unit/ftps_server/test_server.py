"""Limits, reload and drain of a server, as its clients see them."""

import ftplib
import io
import socket
import time

import pytest

from ftps_server import drain, server
from unit.ftps_server.harness import PASSWORD, user, wait_for


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(server, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(server, "DRAIN_POLL_SECONDS", 0.02)
    monkeypatch.setattr(drain, "IDLE_SECONDS", 0.2)


def reloads(clients, file, outcome="ok"):
    return clients.metric(f'ftps_server_reloads_total{{file="{file}",outcome="{outcome}"}}') or 0


def certificate_of(client):
    return client.sock.getpeercert()["serialNumber"]


def test_sessions_above_the_limit_are_refused(clients, setup, start):
    setup.configure(limits={"maxSessions": 2})
    start()
    first = clients.login()
    # Its data connections are no sessions.
    first.sendcmd("EPSV")
    clients.implicit()
    with pytest.raises(ftplib.error_temp, match="421 Too many sessions; try again later"):
        clients.connect()
    first.quit()
    wait_for(lambda: clients.metric("ftps_server_sessions") == 1, "the session's end")
    assert clients.login().nlst() == []
    assert clients.metric('ftps_server_refused_connections_total{reason="limit"}') == 1


def test_an_implicit_session_above_the_limit_is_told_so_within_tls(clients, setup, start):
    setup.configure(limits={"maxSessions": 1})
    start()
    clients.connect()
    with pytest.raises(ftplib.error_temp, match="421 Too many sessions"):
        clients.implicit()


def test_sessions_of_one_address_are_limited(clients, setup, start):
    setup.configure(limits={"maxSessionsPerAddress": 1})
    start()
    clients.connect()
    with pytest.raises(ftplib.error_temp, match="421 Too many sessions from your address"):
        clients.connect()
    assert clients.connect(host="::1").voidcmd("NOOP").startswith("200 ")


def test_an_idle_session_is_closed(clients, setup, start):
    setup.configure(limits={"idleTimeoutSeconds": 1})
    start()
    client = clients.login()
    with pytest.raises(ftplib.error_temp, match="421 "):
        client.getresp()


def test_one_mode_can_be_switched_off(clients, setup, start):
    setup.configure(implicit={"enabled": False, "port": setup.implicit})
    start()
    with pytest.raises(ConnectionRefusedError):
        clients.implicit()
    assert clients.login().nlst() == []


@pytest.mark.usefixtures("server")
def test_a_renewed_certificate_is_served_to_new_sessions(clients, setup, pki):
    running = clients.login()
    before = certificate_of(running)
    setup.certify(*pki.issue(days=60))
    wait_for(lambda: reloads(clients, "certificate"), "the reload")
    assert certificate_of(clients.login()) != before
    # The running session keeps its own, on data connections, too.
    assert running.nlst() == []
    expiry = clients.metric("ftps_server_certificate_not_after_seconds")
    assert expiry == pytest.approx(time.time() + 60 * 86400, abs=60)


@pytest.mark.usefixtures("server")
def test_a_half_renewed_certificate_waits_for_its_other_half(clients, setup, pki):
    before = certificate_of(clients.login())
    certificate, key = pki.issue()
    setup.write_bytes("tls/tls.crt", certificate)
    wait_for(lambda: reloads(clients, "certificate", "failed"), "the failed reload")
    assert certificate_of(clients.login()) == before
    setup.write_bytes("tls/tls.key", key)
    wait_for(lambda: reloads(clients, "certificate"), "the reload")
    assert certificate_of(clients.login()) != before


@pytest.mark.usefixtures("server")
def test_users_come_and_go_while_sessions_go_on(clients, setup):
    alice = clients.login()
    setup.users(user("bob"))
    wait_for(lambda: reloads(clients, "users"), "the reload")
    clients.login("bob")
    with pytest.raises(ftplib.error_perm, match="530 "):
        clients.login("alice")
    assert alice.nlst() == []


@pytest.mark.usefixtures("server")
def test_a_bad_file_leaves_what_was_loaded_before(clients, setup):
    setup.write_bytes("users/users.json", b'{"users": [{"name": "x"}]}')
    setup.write_bytes("config/address.json", b"{")
    wait_for(lambda: reloads(clients, "users", "failed") and reloads(clients, "address", "failed"), "the reloads")
    client = clients.login()
    assert client.sendcmd("PASV").startswith("227 Entering passive mode (127,0,0,1,")


@pytest.mark.usefixtures("server")
def test_a_new_address_is_announced_to_running_sessions(clients, setup):
    client = clients.login()
    setup.announce("203.0.113.50")
    wait_for(lambda: reloads(clients, "address"), "the reload")
    assert client.sendcmd("PASV").startswith("227 Entering passive mode (203,0,113,50,")


def test_the_kubelets_way_of_replacing_files_is_seen(clients, setup, start):
    # As a mounted Secret: users.json -> ..data/users.json, ..data -> a folder of its own for each version.
    folder = setup.directory / "users"
    for version, name in (("..1", "alice"), ("..2", "bob")):
        setup.users(user(name))
        (folder / version).mkdir()
        (folder / "users.json").rename(folder / version / "users.json")
    (folder / "..data").symlink_to("..1")
    (folder / "users.json").symlink_to("..data/users.json")
    start()
    clients.login("alice")
    (folder / "..data_tmp").symlink_to("..2")
    (folder / "..data_tmp").rename(folder / "..data")
    wait_for(lambda: reloads(clients, "users"), "the reload")
    clients.login("bob")


def test_a_draining_server_lets_transfers_finish_and_nobody_in(clients, setup, start):
    server = start()
    busy, idle = clients.login(), clients.login()
    busy.voidcmd("TYPE I")
    with busy.transfercmd("STOR file") as data:
        data.sendall(b"first half, ")
        server.stop("test")
        with pytest.raises(ftplib.error_temp, match="421 This server is about to end"):
            idle.getresp()
        with pytest.raises(ftplib.error_temp, match="421 This server is about to end"):
            clients.connect()
        assert clients.get("readyz")[0] == 200
        data.sendall(b"second half")
        data.unwrap()
    assert busy.voidresp().startswith("226 ")
    assert (setup.storage / "alice/file").read_bytes() == b"first half, second half"
    wait_for(lambda: not server.running, "the server's end")


def test_a_server_without_sessions_ends_at_once(setup, start):
    server = start()
    wait_for(lambda: server.running, "the start")
    server.stop("test")
    wait_for(lambda: not server.running, "the server's end")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", setup.explicit))


def test_transfers_are_cut_when_the_time_is_over(clients, setup, start):
    setup.configure(drainSeconds=1)
    server = start()
    client = clients.login()
    with client.transfercmd("STOR file") as data:
        data.sendall(b"never finished")
        server.stop("test")
        wait_for(lambda: not server.running, "the server's end")
        with pytest.raises((EOFError, OSError)):
            client.getresp()


def test_a_second_stop_cuts_at_once(clients, setup, start):
    setup.configure(drainSeconds=3600)
    server = start()
    client = clients.login()
    with client.transfercmd("STOR file"):
        server.stop("test")
        wait_for(lambda: clients.metric("ftps_server_draining") == 1, "the drain")
        server.stop("test")
        wait_for(lambda: not server.running, "the server's end")


@pytest.mark.usefixtures("server")
def test_transfers_are_counted(clients):
    client = clients.login()
    client.storbinary("STOR file", io.BytesIO(b"0123456789"))
    client.retrbinary("RETR file", bytes)
    client.nlst()
    for direction in ("upload", "download"):
        assert clients.metric(f'ftps_server_transfers_total{{direction="{direction}",outcome="ok"}}') == 1
        assert clients.metric(f'ftps_server_bytes_total{{direction="{direction}"}}') == 10
    assert clients.metric('ftps_server_logins_total{outcome="ok"}') == 1


@pytest.mark.usefixtures("server")
def test_no_secret_is_logged(clients, caplog):
    clients.login()
    with pytest.raises(ftplib.error_perm):
        clients.connect().login("alice", "a wrong secret")
    lines = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert any("login failed" in line for line in lines)
    for secret in (PASSWORD, "a wrong secret", "argon2id"):
        assert not any(secret in line for line in lines)
