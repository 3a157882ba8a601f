"""The end of a process: SIGTERM is no reason to lose a file, nor to wait for ever."""

import time

from features.harness import begun, refusal, rest, upload, visible
from unit.ftps_server.harness import DEADLINE, wait_for

ABOUT_TO_END = "421 This server is about to end; connect again."


def draining(clients) -> bool:
    return clients.metric("ftps_server_draining") == 1


def test_a_running_transfer_ends_well_and_nobody_else_gets_in(clients, setup, launch):
    process = launch()
    busy, idle = clients.login(), clients.login()
    with begun(busy, "STOR file") as connection:
        connection.sendall(b"first half, ")
        process.terminate()
        wait_for(lambda: draining(clients), "the drain")
        assert refusal(clients.connect) == ABOUT_TO_END
        assert refusal(clients.implicit) == ABOUT_TO_END
        assert clients.metric('ftps_server_refused_connections_total{reason="draining"}') == 2
        # Or no data connection would reach it any more.
        assert clients.get("readyz")[0] == clients.get("livez")[0] == 200
        assert refusal(idle.getresp) == ABOUT_TO_END
        assert rest(idle.sock) == b""
        connection.sendall(b"second half")
        connection.unwrap()
    assert busy.voidresp().startswith("226 ")
    # Its client is told, too, or goes by itself.
    busy.quit()
    assert process.popen.wait(DEADLINE) == 0
    assert visible(setup.storage / "alice") == {"file": b"first half, second half"}
    assert [event["event"] for event in process.events()][-2:] == ["drained", "stopped"]


def test_a_session_may_go_on_for_a_while_after_the_signal(clients, setup, launch):
    process = launch()
    client = clients.login()
    process.terminate()
    wait_for(lambda: draining(clients), "the drain")
    for number in range(3):
        upload(client, f"file-{number}", b"content")
    client.quit()
    assert process.popen.wait(DEADLINE) == 0
    assert len(visible(setup.storage / "alice")) == 3


def test_what_takes_longer_than_the_grace_period_is_cut(clients, setup, launch):
    setup.configure(drainSeconds=1)
    process = launch()
    client = clients.login()
    with begun(client, "STOR file") as connection:
        connection.sendall(b"never finished")
        begin = time.monotonic()
        process.terminate()
        assert process.popen.wait(DEADLINE) == 0
        assert time.monotonic() - begin > 0.9
    assert visible(setup.storage / "alice") == {}
    assert process.events("drained")[0]["cut"] == 1
    transfer = process.events("transfer")[-1]
    assert (transfer["outcome"], transfer["bytes"]) == ("aborted", len(b"never finished"))
    # The rest may come later.
    launch()
    client = clients.login()
    client.voidcmd("TYPE I")
    upload(client, "file", b", until now", rest=client.size("file"))
    assert visible(setup.storage / "alice") == {"file": b"never finished, until now"}


def test_a_second_signal_ends_it_at_once(clients, setup, launch):
    setup.configure(drainSeconds=3600)
    process = launch()
    with begun(clients.login(), "STOR file"):
        process.terminate()
        wait_for(lambda: draining(clients), "the drain")
        assert process.popen.poll() is None
        begin = time.monotonic()
        process.terminate()
        assert process.popen.wait(DEADLINE) == 0
    assert time.monotonic() - begin < 3
    assert visible(setup.storage / "alice") == {}
