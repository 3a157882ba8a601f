"""Two processors, what they do, and what processes hold."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
# The most that another program may have taken of either processor before a run.
_DISTURBED = 0.05


@dataclass(frozen=True, slots=True)
class Cpus:
    """One for the server and all its processes, one for the clients and the benchmark itself."""

    server: int
    client: int

    @classmethod
    def take(cls) -> "Cpus":
        """The first two that this process may use. It goes to the second."""
        first, *others = sorted(os.sched_getaffinity(0))
        if not others:
            raise TestbedError("two processors are needed: one for the server, one for its clients")
        os.sched_setaffinity(0, {others[0]})
        return cls(server=first, client=others[0])


@dataclass(slots=True)
class Used:
    """What was used between the two ends of `metered`."""

    seconds: float = 0.0
    server_cpu: float = 0.0
    client_cpu: float = 0.0

    def shares(self) -> dict[str, float]:
        """How busy each processor was, from 0 to 1."""
        return {
            "server_busy": round(self.server_cpu / self.seconds, 3),
            "client_busy": round(self.client_cpu / self.seconds, 3),
        }


@contextmanager
def metered(cpus: Cpus) -> Iterator[Used]:
    """Measure time, and what each processor was busy (all of it: the kernel's work for a server has no process)."""
    used = Used()
    started, server, client = time.monotonic(), _busy(cpus.server), _busy(cpus.client)
    yield used
    used.seconds = time.monotonic() - started
    used.server_cpu = _busy(cpus.server) - server
    used.client_cpu = _busy(cpus.client) - client


def disturbance(cpus: Cpus) -> str | None:
    """Say what others take of the processors, if it is enough to spoil a measurement."""
    with metered(cpus) as used:
        time.sleep(1)
    if max(used.shares().values()) <= _DISTURBED:
        return None
    return (
        f"processors {cpus.server} and {cpus.client} are {used.server_cpu:.0%} and {used.client_cpu:.0%} busy already"
    )


def allow_descriptors() -> None:
    """Have as many files and connections as may be, here and in the servers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def processes(namespace: str) -> list[int]:
    """All of one PID namespace. Its first is the sandbox's shell: 0.1 MiB, with every server."""
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal() and _namespace(entry) == namespace]


def pss(pids: list[int]) -> int:
    """Bytes of memory; a page that several processes share counts once."""
    total = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def _namespace(process: Path) -> str | None:
    try:
        return str((process / "ns" / "pid").readlink())
    except OSError:
        return None


def _busy(cpu: int) -> float:
    for line in (_PROC / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
            return (user + nice + system + irq + softirq) / _TICKS
    raise TestbedError(f"/proc/stat has no processor {cpu}")
