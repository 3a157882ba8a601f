"""A server on loopback, in a thread of its own, for real clients."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftps_server.config import PassivePorts
from ftps_server.protocol.session import ExplicitSession
from ftps_server.server import Server
from ftps_server.sources import DirectorySources
from unit.ftps_server.harness import DEADLINE, Clients, Pki, Setup, free_ports, user


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def identity(pki: Pki) -> tuple[bytes, bytes]:
    return pki.issue()


@pytest.fixture
def setup(tmp_path: Path, identity: tuple[bytes, bytes]) -> Setup:
    first = free_ports(8)
    files = Setup(tmp_path, first, first + 1, first + 2, PassivePorts(first=first + 3, last=first + 7))
    files.storage.mkdir()
    files.configure()
    files.announce()
    files.users(user(), user("rita", permissions="ReadOnly"))
    files.certify(*identity)
    return files


@pytest.fixture
def start(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Server]]:
    """Start the server of the setup; it is ended with the test."""
    monkeypatch.setattr(ExplicitSession, "auth_failed_timeout", 0.05)
    running: list[tuple[Server, threading.Thread]] = []

    def begin() -> Server:
        server = Server(DirectorySources(setup.directory, setup.passive))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        return server

    yield begin
    for server, thread in running:
        server.stop("end of test")
        server.stop("end of test")
        thread.join(DEADLINE)
        assert not thread.is_alive()


@pytest.fixture
def server(start: Callable[[], Server]) -> Server:
    return start()


@pytest.fixture
def clients(setup: Setup, pki: Pki) -> Iterator[Clients]:
    clients = Clients(setup, pki.root())
    yield clients
    for client in clients.made:
        client.close()
