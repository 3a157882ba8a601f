"""One server and one start of each client for all of these tests; the table is printed in the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.curl import Curl
from clients.lftp import Lftp
from clients.matrix import Client
from clients.python_ftplib import Ftplib, ResumingFtplib
from clients.running import RunningServer
from clients.table import Table
from clients.toolchain import ensure_clients
from clients.worker import BasicFtp, CommonsNet, ResumingCommonsNet

CLIENTS: list[Client] = [Curl(), Lftp(), BasicFtp(), ResumingFtplib(), Ftplib(), ResumingCommonsNet(), CommonsNet()]
FILE = Path("build", "clients.md")
TABLE = pytest.StashKey[Table]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "client" in metafunc.fixturenames:
        metafunc.parametrize("client", CLIENTS, ids=lambda client: client.name.replace(", ", "-"), scope="session")


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    table = config.stash.get(TABLE, None)
    if table is not None:
        terminalreporter.section("clients")
        for line in table.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    ensure_clients()
    server = RunningServer(tmp_path_factory.mktemp("server"))
    with server.run():
        yield server
    for client in CLIENTS:
        client.close()


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    table = request.config.stash[TABLE] = Table(CLIENTS)
    yield table
    file = request.config.rootpath / FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(table.lines()) + "\n")
