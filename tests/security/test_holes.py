"""Each of stock pyftpdlib's known holes is there, and in our server it is not."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import ftps_server
from ftps_server.config import PassivePorts
from security import attackers, holes
from security.harness import BOTH_VERSIONS
from security.holes import Target
from unit.ftps_server.harness import DEADLINE, Setup, free_ports, user, wait_for

PORTS = 4
IN_A_CONTAINER = ["unshare", "--pid", "--fork", "--kill-child"]
TESTS = Path(__file__).parents[1]
SOURCES = Path(ftps_server.__file__).parents[1]


@pytest.fixture(scope="module")
def setups(tmp_path_factory, identity) -> Callable[[], Setup]:
    """Files of a server each, with the same users, home directories and number of ports."""

    def make() -> Setup:
        first = free_ports(3 + PORTS)
        passive = PassivePorts(first=first + 3, last=first + 2 + PORTS)
        setup = Setup(tmp_path_factory.mktemp("target"), first, first + 1, first + 2, passive)
        setup.storage.mkdir()
        for name in ("alice", "mallory", "slow"):
            (setup.storage / name).mkdir()
        # As stock pyftpdlib has it: a port serves one session at a time.
        setup.configure(passive={"sharedPorts": False})
        setup.announce()
        setup.users(user(), user("mallory"), user("slow", passwordHash=holes.SLOW_HASH))
        setup.certify(*identity)
        (setup.directory / "stock.pem").write_bytes(b"".join(identity))
        return setup

    return make


@contextmanager
def our_server(setup: Setup, pki, *before: str) -> Iterator[Target]:
    """`before` is a command that runs it."""
    words = ["ftps_server", "--config-directory", str(setup.directory), "--passive-ports", str(setup.passive)]
    with running([*before, sys.executable, "-m", *words], setup, says='"started"') as pid:
        yield Target(setup, pki.root(), _first_child(pid) if before else pid)


@contextmanager
def stock_server(setup: Setup, pki, *before: str) -> Iterator[Target]:
    """As above."""
    files = [f"{setup.directory}/stock.pem", str(setup.storage)]
    ports = [str(setup.passive.first), str(setup.passive.last)]
    words = ["security.stock", str(setup.explicit), *files, *ports, holes.SLOW_HASH]
    with running([*before, sys.executable, "-m", *words], setup, says="starting FTP") as pid:
        yield Target(setup, pki.root(), _first_child(pid) if before else pid)


@contextmanager
def running(command: Sequence[str], setup: Setup, *, says: str) -> Iterator[int]:
    """A process that has said something."""
    said = setup.directory / "output"
    environment = os.environ | {"PYTHONPATH": f"{SOURCES}:{TESTS}"}
    with said.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        wait_for(lambda: says in said.read_text() or process.poll() is not None, "the server")
        assert process.poll() is None, said.read_text()
        yield process.pid
    finally:
        process.kill()
        process.wait(DEADLINE)


def _first_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])


@pytest.fixture(scope="module")
def stock(setups, pki) -> Iterator[Target]:
    with stock_server(setups(), pki) as target:
        yield target


@pytest.fixture(scope="module")
def ours(setups, pki) -> Iterator[Target]:
    with our_server(setups(), pki) as target:
        yield target


def test_commands_in_clear_are_injected_into_tls(stock, ours):
    assert holes.clear_commands_are_carried_out_inside_tls(stock) is True
    assert holes.clear_commands_are_carried_out_inside_tls(ours) is False


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_a_truncated_upload_is_complete(stock, ours, reset):
    assert holes.a_cut_off_upload_is_called_complete(stock, reset=reset) is True
    assert holes.a_cut_off_upload_is_called_complete(ours, reset=reset) is False
    assert list(ours.home.glob("cut*")) == []


def test_prot_c_after_pasv_makes_a_transfer_clear(stock, ours):
    assert holes.a_file_goes_out_in_clear(stock) is True
    assert holes.a_file_goes_out_in_clear(ours) is False


def test_an_exhausted_range_of_ports_is_left(stock, ours):
    assert holes.a_port_outside_of_the_range_is_offered(stock) is True
    assert holes.a_port_outside_of_the_range_is_offered(ours) is False


@BOTH_VERSIONS
# Not the one that was rejected before: stock pyftpdlib rejects nobody.
@pytest.mark.parametrize("attack", [attackers.Attacker, attackers.WithOwnTicket, attackers.LoggedIn])
def test_a_data_connection_is_anybodys(stock, ours, attack, version):
    assert holes.a_stranger_gets_the_file(stock, attack, version) is True
    assert holes.a_stranger_gets_the_file(ours, attack, version) is False


def test_a_password_check_stops_everybody(stock, ours):
    assert holes.passwords_stop_everybody(stock) is True
    assert holes.passwords_stop_everybody(ours) is False


def test_the_first_process_of_a_container_ignores_sigterm(setups, pki):
    before = IN_A_CONTAINER if os.geteuid() == 0 else [*IN_A_CONTAINER, "--map-root-user"]
    if subprocess.run([*before, "true"], check=False, capture_output=True).returncode:
        pytest.skip("PID namespaces cannot be made here")
    with stock_server(setups(), pki, *before) as stock:
        assert holes.sigterm_is_ignored(stock) is True
    with our_server(setups(), pki, *before) as ours:
        assert holes.sigterm_is_ignored(ours) is False


@pytest.mark.parametrize("early", [False, True], ids=["connects after its command", "connects before its command"])
def test_an_upload_of_a_client_that_never_reads_loses_its_end(stock, ours, early):
    assert holes.the_end_of_an_upload_is_lost(stock, early=early) is True
    assert holes.the_end_of_an_upload_is_lost(ours, early=early) is False
