"""The server of the soak: its files, its users and its process."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher

import ftps_server
from ftps_server import checksums, passwords, quota
from ftps_server.config import PassivePorts
from soak.content import Pool
from soak.hooks import KEY
from unit.ftps_server.harness import PASSWORD, Pki, Setup, free_ports, user

PASSIVE_PORTS = 6
"""Fewer than sessions that wait: they share them."""
BIG, SHARED, MANY, ANYTHING = "/big", "/shared", "/many", "/anything"
ENTRIES = 3000
"""So many files are in MANY."""
MIB = 1 << 20
HANDSHAKE, LOGIN, IDLE, TRANSFER = 2, 5, 10, 3
LIMITS = {
    "handshakeTimeoutSeconds": HANDSHAKE,
    "loginTimeoutSeconds": LOGIN,
    "idleTimeoutSeconds": IDLE,
    "transferTimeoutSeconds": TRANSFER,
    "ban": {"failures": 3, "seconds": 8},
}
# The main one, of metrics, of hooks, and the one that makes TLS contexts.
MOST_THREADS = 4 + passwords.THREADS + checksums.THREADS + quota.THREADS
_SECONDS_TO_START = 30.0


@dataclass(frozen=True, slots=True)
class Account:
    """What clients must know of a user."""

    name: str
    must_resume: bool = True
    is_slow: bool = False
    """Whether its bandwidth is limited."""
    is_tight: bool = False
    """Whether the quota is soon reached."""


ACCOUNTS = (
    Account("anna"),
    Account("bert", is_slow=True),
    Account("cara", must_resume=False),
    Account("dora", must_resume=False, is_tight=True),
)
SLOW = "egon"
"""A user whose password takes as long to check as one of the operator's."""
_BANDWIDTH = 3 * MIB


def users(*, bandwidth: int | None = _BANDWIDTH) -> list[dict[str, object]]:
    """All of them, as the file has it."""
    roomy = {"bytes": 1 << 40, "files": 100_000}
    slow = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(PASSWORD)
    return [
        user("anna", quota=roomy),
        user("bert", quota=roomy, bandwidth={"upload": bandwidth, "download": bandwidth}),
        user("cara", quota=roomy, dataSessionReuse="Off"),
        user("dora", quota={"bytes": 16 * MIB, "files": 70}, dataSessionReuse="Preferred"),
        user(SLOW, quota=roomy, passwordHash=slow),
    ]


class Scene:
    """Everything that the server finds at its start, and the server."""

    def __init__(self, directory: Path, pool: Pool, *, workers: int, hook_url: str) -> None:
        first = free_ports(3 + PASSIVE_PORTS)
        passive = PassivePorts(first=first + 3, last=first + 2 + PASSIVE_PORTS)
        self.setup = Setup(directory, first, first + 1, first + 2, passive)
        self.pool = pool
        self.pki = Pki()
        self.contexts = [self._context(version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
        self.has_ipv6 = _has_ipv6()
        self._hook_url = hook_url
        for account in ACCOUNTS:
            home = self.home(account.name)
            (home / SHARED[1:]).mkdir(parents=True)
            (home / BIG[1:]).write_bytes(pool.data)
            (home / MANY[1:]).mkdir()
            (home / ANYTHING[1:]).mkdir()
            for number in range(0 if account.is_tight else ENTRIES):
                (home / MANY[1:] / f"{number:04}").touch()
            for number in range(workers):
                (home / f"w{number}").mkdir()
        self.configure()
        self.setup.announce()
        self.setup.users(*users())
        self.setup.write_bytes("hooks/key", KEY)
        self.setup.certify(*self.pki.issue())

    def home(self, name: str) -> Path:
        return self.setup.storage / name

    def configure(self, **limits: object) -> None:
        """Write the file with the limits, some of them other ones."""
        hooks = {"url": self._hook_url, "queueDirectory": str(self.setup.directory / "queue"), "timeoutSeconds": 2}
        self.setup.configure(limits=LIMITS | limits, hooks=hooks, active={"enabled": True}, drainSeconds=2)

    def _context(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.pki.root().decode())
        context.minimum_version = context.maximum_version = version
        return context


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


class ServerProcess:
    """The server's process, seen from outside."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.log, self.errors = setup.directory / "log", setup.directory / "errors"
        folder = str(Path(ftps_server.__file__).parents[1])
        arguments = ["--config-directory", str(setup.directory), "--passive-ports", str(setup.passive)]
        with self.log.open("wb") as log, self.errors.open("wb") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "ftps_server", *arguments],
                env=os.environ | {"PYTHONPATH": folder},
                stdout=log,
                stderr=errors,
            )
        self._proc = Path("/proc") / str(self._popen.pid)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while True:
            assert self.is_running(), self.errors.read_text()
            with suppress(OSError):
                self._get("readyz")
                return
            assert time.monotonic() < deadline, "the server does not become ready"
            time.sleep(0.05)

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def stop(self) -> int:
        """End it as Kubernetes does; the exit code."""
        self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    # What it has

    def descriptors(self) -> dict[str, int]:
        """Open ones by kind."""
        found: dict[str, int] = {}
        for link in (self._proc / "fd").iterdir():
            with suppress(OSError):
                kind = _kind(str(link.readlink()))
                found[kind] = found.get(kind, 0) + 1
        return dict(sorted(found.items()))

    def threads(self) -> int:
        return len(list((self._proc / "task").iterdir()))

    def memory(self) -> tuple[float, float]:
        """RSS and PSS in MiB."""
        lines = (self._proc / "smaps_rollup").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines[1:] if line.endswith("kB")}
        return sizes["Rss"], sizes["Pss"]

    def processor_seconds(self) -> float:
        fields = (self._proc / "stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metrics(self) -> dict[str, float]:
        """All of them, by name and labels."""
        lines = [line for line in self._get("metrics").splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._setup.admin}/{path}", timeout=10) as answer:
            return answer.read().decode()


def _kind(target: str) -> str:
    if target.startswith("/memfd:"):
        return "memory file"
    return "file" if target.startswith("/") else target.partition(":")[0]
