"""Clients that people use, in every mode: files go there and come back."""

from collections import Counter
from pathlib import Path

import pytest

from clients.matrix import MODES, Client, ClientError, Mode, Task, missing_here
from clients.running import LENIENT, STRICT, RunningServer
from clients.table import Table
from unit.ftps_server.harness import PASSWORD

PLAIN = Mode(implicit=False, tls="1.2", active=False, ipv6=False)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: str(mode).replace(" ", "-"))
def test_files_go_there_and_come_back(server, table: Table, client: Client, mode: Mode, tmp_path):
    reason = client.lacks(mode) or missing_here(mode)
    if reason:
        table.enter_missing(client, mode, reason)
        pytest.skip(reason)
    table.enter(client, mode, "FAILED")
    task = make_task(server, client, mode, STRICT if client.resumes(mode) else LENIENT, tmp_path)
    handshakes = perform(server, client, task)
    assert not handshakes["refused"]
    assert not (client.resumes(mode) and handshakes["full"])
    table.enter_done(client, mode, handshakes)


def test_who_does_not_resume_is_refused_where_that_is_required(server, client: Client, tmp_path):
    if client.resumes(PLAIN):
        pytest.skip("it resumes")
    before = server.data_connections()
    with pytest.raises(ClientError):
        client.perform(make_task(server, client, PLAIN, STRICT, tmp_path))
    assert (server.data_connections() - before)["refused"]


def make_task(server: RunningServer, client: Client, mode: Mode, user: str, folder: Path) -> Task:
    port = server.setup.implicit if mode.implicit else server.setup.explicit
    task = Task(mode, port, user, PASSWORD, server.authority, client.files, folder)
    task.prepare()
    return task


def perform(server: RunningServer, client: Client, task: Task) -> Counter[str]:
    """Have a client do its task; how its data connections went. A failure shows the server's log, too."""
    before, logged = server.data_connections(), server.logged()
    try:
        task.check(client.perform(task))
    except (ClientError, AssertionError) as error:
        failure = f"{error}\n\nThe server's log:\n{server.log_since(logged)}"
    else:
        return server.data_connections() - before
    pytest.fail(failure, pytrace=False)
