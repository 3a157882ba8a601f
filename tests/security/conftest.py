"""The server of the unit tests, and how soon it gives up."""

import logging
from collections.abc import Iterator

import pytest

from ftps_server import server as server_module
from ftps_server.protocol import expectation
from unit.ftps_server.conftest import clients, identity, pki, server, setup, start
from unit.ftps_server.harness import DEADLINE

__all__ = ["clients", "identity", "pki", "server", "setup", "start"]


@pytest.fixture(autouse=True)
def _watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has a time is looked at often."""
    monkeypatch.setattr(server_module, "SWEEP_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def _faultless(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No client makes the server fail."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may come late after somebody else, however slow this machine is."""
    monkeypatch.setattr(expectation, "GRACE_SECONDS", DEADLINE)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has failed is told so at once."""
    monkeypatch.setattr(expectation, "GRACE_SECONDS", 0.0)
