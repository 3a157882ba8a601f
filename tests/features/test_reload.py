"""What is changed while sessions go on: it counts, and nobody notices who is in."""

import ssl

import pytest

from features.harness import begun, download, home, refusal, reloaded, rest, upload
from unit.ftps_server.harness import user, wait_for


@pytest.fixture
def process(setup, launch):
    return launch()


def serial(client) -> str:
    return client.sock.getpeercert()["serialNumber"]


def test_everything_changes_during_a_transfer_and_the_transfer_does_not(clients, setup, pki, process):
    (home(setup) / "big").write_bytes(bytes(24 << 20))
    client = clients.login()
    seen = [reloaded(clients, file) for file in ("users", "limits", "address", "certificate")]
    with begun(client, "RETR big") as connection:
        received = len(connection.recv(1))
        setup.users(user("bob"))
        setup.configure(limits={"maxSessions": 100, "idleTimeoutSeconds": 1000, "turnBytes": 16384})
        setup.announce("203.0.113.50")
        setup.certify(*pki.issue(days=60))
        for each in seen:
            wait_for(each, "the reload")
        received += len(rest(connection))
        connection.unwrap()
    assert client.voidresp().startswith("226 ")
    assert received == 24 << 20
    # Data connections of the old session are still encrypted by what it began with.
    upload(client, "file", b"content")
    assert download(client, "file") == b"content"
    assert "(203,0,113,50," in client.sendcmd("PASV")
    for file in ("users", "limits", "address", "certificate"):
        process.wait_for_event("reloaded", file=file)


def test_a_user_who_is_removed_stays_and_does_not_come_again(clients, setup, process):
    inside, waiting = clients.login(), clients.connect()
    waiting.auth()
    waiting.sendcmd("USER alice")
    seen = reloaded(clients, "users")
    setup.users(user("bob"))
    wait_for(seen, "the reload")
    assert refusal(lambda: waiting.sendcmd("PASS correct horse")) == "530 Authentication failed."
    upload(inside, "file")
    # Not even in the same session.
    assert inside.sendcmd("USER alice").startswith("331 ")
    assert refusal(lambda: inside.sendcmd("PASS correct horse")) == "530 Authentication failed."
    clients.login("bob")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificate_and_key_are_taken_together(clients, setup, pki, process, version):
    running = clients.login(version=version)
    before = serial(running)
    certificate, key = pki.issue(days=60)
    failed, done = reloaded(clients, "certificate", "failed"), reloaded(clients, "certificate")
    setup.write_bytes("tls/tls.key", key)
    wait_for(failed, "the failed reload")
    assert serial(clients.login(version=version)) == before
    error = process.wait_for_event("reload failed", file="certificate")
    assert error["error"].endswith(f"tls/tls.key: not the private key of {setup.directory}/tls/tls.crt")
    assert error["level"] == "warning"
    setup.write_bytes("tls/tls.crt", certificate)
    wait_for(done, "the reload")
    assert serial(clients.login(version=version)) != before
    upload(running, "file", b"content")
    assert download(running, "file") == b"content"


def test_a_file_that_is_cut_short_or_gone_changes_nothing_and_is_named_once(clients, setup, process):
    seen = [reloaded(clients, file, "failed") for file in ("users", "limits", "address", "certificate")]
    setup.write_bytes("users/users.json", b'{"users": [{"name": "mallory"')
    setup.write("config/server.json", {"limits": {"maxSessions": 0}})
    (setup.directory / "config/address.json").unlink()
    setup.write_bytes("tls/tls.crt", b"")
    for each in seen:
        wait_for(each, "the failed reload")
    client = clients.login()
    upload(client, "file")
    assert "(127,0,0,1," in client.sendcmd("PASV")
    # It is looked at again and again, and told once.
    announced = reloaded(clients, "address")
    setup.announce("203.0.113.50")
    wait_for(announced, "the reload")
    failures = process.events("reload failed")
    assert sorted(event["file"] for event in failures) == ["address", "certificate", "limits", "users"]
    assert "limits.maxSessions" in next(event["error"] for event in failures if event["file"] == "limits")


def test_limits_of_logins_and_bans_are_reloaded(clients, setup, server):
    seen = reloaded(clients, "limits")
    setup.configure(limits={"maxLoginAttempts": 1, "ban": {"failures": 2, "seconds": 600}})
    wait_for(seen, "the reload")
    for _ in range(2):
        assert refusal(lambda: clients.login("alice", "wrong")) == "530 Authentication failed. Disconnecting."
    assert refusal(clients.login).startswith("421 Too many failed logins")
    seen = reloaded(clients, "limits")
    setup.configure()
    wait_for(seen, "the reload")
    clients.login()


def test_what_is_settled_at_the_start_stays_as_it_was(clients, setup, server):
    client = clients.login()
    seen = reloaded(clients, "limits")
    setup.configure(active={"enabled": True}, tls={"minVersion": "1.3"}, storageDirectory="/nowhere")
    wait_for(seen, "the reload")
    assert refusal(lambda: client.sendcmd("PORT 127,0,0,1,200,10")).startswith("502 ")
    upload(clients.login(version=ssl.TLSVersion.TLSv1_2), "file")
    assert (setup.storage / "alice/file").exists()
