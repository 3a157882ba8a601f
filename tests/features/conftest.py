"""The unit tests' server in a thread, and one in a process of its own."""

import logging
from collections.abc import Callable, Iterator

import pytest

from features.harness import Process
from features.hurry import hurry
from unit.ftps_server.conftest import clients, identity, pki, server, setup, start
from unit.ftps_server.harness import Clients, Setup, wait_for

__all__ = ["clients", "identity", "pki", "server", "setup", "start"]


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch.setattr)


@pytest.fixture(autouse=True)
def _faultless(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No client makes a server in a thread fail."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def launch(setup: Setup, clients: Clients) -> Iterator[Callable[..., Process]]:
    """Start the server of the setup in a process; it is ended with the test."""
    running: list[Process] = []

    def begin(*before: str) -> Process:
        process = Process(setup, before)
        running.append(process)
        wait_for(lambda: process.is_ready(clients), "readiness")
        return process

    yield begin
    for process in running:
        process.kill()
        assert [event for event in process.events() if event["level"] == "error"] == []
        assert process.errors.read_text() == ""
