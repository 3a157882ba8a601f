"""Metrics and logs: what happens can be told from outside, and no secret can."""

import datetime
import ftplib
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest

from features.harness import at_once, begun, cut_off, data_socket, download, home, refusal, reloaded, upload
from unit.ftps_server.harness import PASSWORD, PASSWORD_HASH, user, wait_for

DOCUMENTATION = Path(__file__).parents[2] / "docs/server.md"
COMMON_FIELDS = {"time", "level", "event", "session", "mode", "client", "user"}
WRONG = "a-password-to-be-recognised"


@pytest.fixture
def value(clients):
    """A metric by its name and labels; 0 before it was first counted."""

    def value(name: str, **labels: str) -> float:
        inner = ",".join(f'{label}="{text}"' for label, text in labels.items())
        return clients.metric(f"ftps_server_{name}{{{inner}}}" if inner else f"ftps_server_{name}") or 0

    return value


def test_sessions_and_logins_are_counted(clients, setup, start, value):
    setup.users(user(), user("bob", allowedCidrs=["192.0.2.0/24"]), user("carol", maxSessions=1))
    setup.configure(limits={"maxSessions": 5})
    start()
    clients.login()
    clients.implicit()
    clients.login("carol")
    refusal(lambda: clients.login("bob"))
    refusal(lambda: clients.login("alice", "wrong"))
    assert value("sessions") == 5
    refusal(clients.connect)
    assert value("refused_connections_total", reason="limit") == 1
    clients.made[3].close()
    wait_for(lambda: value("sessions") == 4, "a session's end")
    refusal(lambda: clients.login("carol"))
    assert [value("logins_total", outcome=outcome) for outcome in ("ok", "failed", "refused")] == [2, 1, 2]
    assert value("tls_handshakes_total", version="TLSv1.3") == 6
    for client in clients.made:
        client.close()
    wait_for(lambda: value("sessions") == 0, "the sessions' end")


def test_transfers_and_their_bytes_are_counted(clients, server, value):
    client = clients.login()
    upload(client, "file", bytes(1000))
    upload(client, "file", bytes(10), rest=990)
    download(client, "file")
    download(client, "file", rest=900)
    cut_off(client, "cut", bytes(50))
    client.nlst()
    assert value("transfers_total", direction="upload", outcome="ok") == 2
    assert value("transfers_total", direction="upload", outcome="aborted") == 1
    assert value("transfers_total", direction="download", outcome="ok") == 2
    assert value("bytes_total", direction="upload") == 1060
    assert value("bytes_total", direction="download") == 1100
    assert value("transfer_seconds_count", direction="upload") == 3
    assert 0 < value("transfer_seconds_sum", direction="upload") < 5


def test_data_connections_are_counted_by_their_tls(clients, setup, start, value):
    setup.users(user(), user("bob", dataSessionReuse="Off"))
    start()
    alice, bob = clients.login(), clients.login("bob")
    alice.nlst()
    alice.nlst()
    bob.resumes = False
    bob.nlst()
    with data_socket(alice) as raw:
        raw.sendall(b"no TLS at all")
        assert raw.recv(1) == b""
    assert [value("data_connections_total", tls=tls) for tls in ("resumed", "full", "refused")] == [2, 1, 1]


def test_passive_ports_are_counted_and_told_when_there_is_none(clients, setup, start, value):
    setup.configure(passive={"sharedPorts": False})
    start()
    assert value("passive_ports") == 5
    sessions = [clients.login() for _ in range(6)]
    for client in sessions[:5]:
        client.sendcmd("EPSV")
    assert value("passive_ports_in_use") == 5
    assert refusal(lambda: sessions[5].sendcmd("EPSV")) == "425 All passive ports are in use; try again."
    assert value("passive_ports_exhausted_total") == 1
    sessions[0].sendcmd("ABOR")
    assert value("passive_ports_in_use") == 4
    sessions[1].close()
    wait_for(lambda: value("passive_ports_in_use") == 3, "the port's release")
    assert sessions[5].nlst() == []


def test_the_certificates_end_and_reloads_are_told(clients, setup, pki, server, value):
    seen = reloaded(clients, "certificate")
    setup.certify(*pki.issue(days=60))
    wait_for(seen, "the reload")
    assert value("certificate_not_after_seconds") == pytest.approx(time.time() + 60 * 86400, abs=60)


def test_the_event_loop_tells_how_late_it_is(clients, server, value):
    wait_for(lambda: value("event_loop_lag_seconds_count") >= 1, "a beat")
    assert value("event_loop_lag_seconds_bucket", le="+Inf") == value("event_loop_lag_seconds_count")


def test_every_metric_says_what_it_is_and_is_documented(clients, server):
    text = clients.get("metrics")[1]
    names = {name for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE) if not name.endswith("_created")}
    assert all(re.search(rf"^# HELP {name} \S", text, re.MULTILINE) for name in names)
    described = {name for row in documented("Metrics") for name in re.findall(r"`(ftps_server_\w+)`", row[0])}
    assert names == described


def documented(section: str) -> list[list[str]]:
    """The rows of a section's tables, without their heads."""
    text = DOCUMENTATION.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def fields_of_events() -> dict[str, set[str]]:
    """What an event may tell besides the fields that all of a session have."""
    found: dict[str, set[str]] = {}
    for names, fields, *_ in documented("The log"):
        for name in re.findall(r"`([^`]+)`", names):
            found[name] = {field for field in re.findall(r"`(\w+)`", fields) if field not in {"ok", "aborted"}}
    return found


def _misbehave(clients, setup):
    """Much that leaves a trace in the log."""
    client = clients.login()
    upload(client, 'a\tname with\\"quotes" and größe', b"content")
    (home(setup) / "file").write_bytes(b"content")
    download(client, "file")
    cut_off(client, "cut", b"half")
    client.mkd("folder")
    client.rename("folder", "renamed")
    client.rmd("renamed")
    client.delete("file")
    refusal(lambda: client.sendcmd("CWD ../../nowhere"))
    refusal(lambda: client.sendcmd(f"PASS {WRONG}"))
    refusal(lambda: client.sendcmd(f"NONSENSE {WRONG}"))
    refusal(lambda: client.sendcmd(f"RETR {'x' * 300}"))
    client.close()

    def guess():
        refusal(lambda: clients.login("alice", WRONG))

    def confuse():
        plain = clients.plain()
        refusal(lambda: plain.sendcmd("USER alice"))
        refusal(lambda: plain.sendcmd(f"PASS {PASSWORD}"))
        with data_socket(clients.login()) as raw:
            raw.sendall(WRONG.encode())

    at_once([guess, confuse])


def test_the_log_is_one_object_a_line_and_holds_no_secret(clients, setup, launch):
    process = launch()
    _misbehave(clients, setup)
    for client in clients.made:
        client.close()
    wait_for(lambda: clients.metric("ftps_server_sessions") == 0, "the sessions' end")
    seen = reloaded(clients, "users", "failed")
    setup.write("users/users.json", {"users": [user(passwordHash=WRONG)]})
    wait_for(seen, "the failed reload")
    process.terminate()
    assert process.popen.wait(10) == 0

    text = process.output.read_text()
    for secret in (PASSWORD, WRONG, PASSWORD_HASH):
        assert secret not in text
    events = process.events()
    assert len(events) == len(text.splitlines())
    fields = fields_of_events()
    for event in events:
        assert event["level"] in {"info", "warning"}
        assert datetime.datetime.fromisoformat(event["time"]).tzinfo is not None
        assert set(event) - COMMON_FIELDS <= fields[event["event"]], event
    assert {"started", "session opened", "login", "login failed", "transfer", "command", "session closed"} <= {
        event["event"] for event in events
    }


def test_events_of_a_session_name_it(clients, setup, launch):
    process = launch()
    client = clients.login()
    upload(client, "file", b"content")
    download(client, "file", rest=3)
    cut_off(client, "cut", b"half")
    client.mkd("folder")
    client.quit()
    closed = process.wait_for_event("session closed")
    common = {"session": closed["session"], "client": "127.0.0.1", "mode": "explicit"}
    process.wait_for_event("session opened", **common)
    common["user"] = "alice"
    process.wait_for_event("login", **common)
    stored = process.wait_for_event("transfer", command="STOR", path="/file", outcome="ok", bytes=7, **common)
    assert stored["direction"] == "upload"
    assert 0 <= stored["seconds"] < 5
    process.wait_for_event("transfer", command="RETR", path="/file", direction="download", bytes=4, **common)
    cut = process.wait_for_event("transfer", path="/cut", outcome="aborted", bytes=4, **common)
    assert cut["reason"].startswith("426 ")
    process.wait_for_event("command", command="MKD", path="/folder", code=257, **common)
    # Who it was is told to the end.
    assert closed["user"] == "alice"


def test_a_transfer_is_told_of_who_began_it(clients, setup, launch):
    setup.users(user(), user("bob"))
    process = launch()
    client = clients.login()
    with begun(client, "STOR file") as connection:
        # Another user may log in meanwhile (RFC 959, section 4.1.1: it is finished under the old access control).
        with suppress(ftplib.Error):
            client.sendcmd("USER bob")
            client.sendcmd(f"PASS {PASSWORD}")
        connection.sendall(b"content")
        connection.unwrap()
    client.voidresp()
    assert process.wait_for_event("transfer", path="/file")["user"] == "alice"
