"""Starts processes, remembers them across runs of the test bed, and stops just those."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError
from testbed.paths import Instance

POLL_SECONDS = 0.05
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started. A pid may be used again; together with its start time it may not."""

    name: str
    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether it runs still (a zombie does not)."""
        return _start_time(self.pid) == self.started


def _start_time(pid: int) -> str | None:
    try:
        # proc(5): the second field may contain anything, so count from behind its closing parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class Supervisor:
    """The processes of one instance, in the order of their start."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._file = instance.state / "processes.json"

    def processes(self) -> list[Process]:
        """Everything that was started and not stopped."""
        if not self._file.exists():
            return []
        return [Process(**entry) for entry in json.loads(self._file.read_text())]

    def start(self, name: str, argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Process:
        """Start a process with its output in a log of its own."""
        self._instance.logs.mkdir(parents=True, exist_ok=True)
        with (self._instance.logs / f"{name}.log").open("a") as log:
            child = subprocess.Popen(
                argv,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        started = _start_time(child.pid)
        if started is None:
            raise TestbedError(f"{name} ended at once; see {self._instance.logs / name}.log")
        process = Process(name, child.pid, started)
        self._save([*self.processes(), process])
        return process

    def stop(self, name: str) -> None:
        """Ask a process to end, and end it if it does not."""
        for process in [each for each in self.processes() if each.name == name]:
            if process.is_alive():
                os.kill(process.pid, signal.SIGTERM)
                if not poll(lambda process=process: not process.is_alive(), STOP_SECONDS):  # type: ignore[misc]
                    os.kill(process.pid, signal.SIGKILL)
                    poll(lambda process=process: not process.is_alive(), STOP_SECONDS)  # type: ignore[misc]
            _reap(process.pid)
            self._save([each for each in self.processes() if each != process])

    def stop_all(self, *, before: Sequence[str] = ()) -> None:
        """Stop what is named in `before` first, then the rest, the youngest first."""
        for name in [*before, *reversed([process.name for process in self.processes()])]:
            self.stop(name)

    def _save(self, processes: list[Process]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps([{"name": p.name, "pid": p.pid, "started": p.started} for p in processes]))
        part.rename(self._file)


def _reap(pid: int) -> None:
    # An earlier run of the test bed may have started it.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def poll(done: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is done. Returns whether it was before the deadline."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def end_all(find: Callable[[], Iterable[int]], number: signal.Signals, *, seconds: float) -> bool:
    """Signal whatever processes are found until none is. Returns whether that was before the deadline."""

    def gone() -> bool:
        pids = list(find())
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return not pids

    return poll(gone, seconds)


def wait_for(what: str, ready: Callable[[], bool], *, seconds: float, processes: Supervisor | None = None) -> None:
    """Poll until something is ready. Raises TestbedError after the deadline, or when a process has died."""
    deadline = time.monotonic() + seconds
    while not ready():
        dead = [each.name for each in processes.processes() if not each.is_alive()] if processes else []
        if dead:
            raise TestbedError(f"{dead[0]} has died while waiting for {what}; see `tests/cluster/logs {dead[0]}`")
        if time.monotonic() > deadline:
            raise TestbedError(f"{what}: not ready after {seconds:.0f} s; see `tests/cluster/logs`")
        time.sleep(POLL_SECONDS)
