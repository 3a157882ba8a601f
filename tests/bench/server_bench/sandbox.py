"""Runs one server on its processor, in namespaces of its own.

Mounts: the user of a run is in the server's /etc only, so nothing is left on the machine.
Processes: one signal ends all of them, also the thousands that have daemonized.
"""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.server_bench import machine
from bench.server_bench.scene import MEMORY
from testbed.errors import TestbedError

_DEADLINE = 60.0
_MACHINE = Path("/")
# The server's processes, and the files of a run.
_SHARED = ("/proc", "/dev", MEMORY)
# The shell stays as the namespace's first process: it buries those whose parents have gone.
_SCRIPT = 'while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; "$@" & wait'


@dataclass(slots=True)
class Sandbox:
    """A running server."""

    process: "subprocess.Popen[bytes]"
    log: Path
    namespace: str = field(default="", init=False)

    def processes(self) -> list[int]:
        return machine.processes(self.namespace)

    def check(self) -> None:
        """Raise with the end of its output if it has ended."""
        if self.process.poll() is not None:
            said = self.log.read_text(errors="replace").strip().splitlines()[-5:]
            raise TestbedError(f"the server ended: {' '.join(said)}")

    def started(self) -> None:
        """Say that it has begun to serve: from now on its namespace is known."""
        self.namespace = str(Path(f"/proc/{self.process.pid}/ns/pid_for_children").readlink())

    def stop(self) -> None:
        """End it, and wait until its last process has gone."""
        self.process.kill()
        self.process.wait()
        deadline = time.monotonic() + _DEADLINE
        while self.namespace and self.processes():
            if time.monotonic() > deadline:
                raise TestbedError(f"processes of {self.namespace} do not end")
            time.sleep(0.05)


def start(
    argv: Sequence[str],
    *,
    cpu: int,
    log: Path,
    binds: Mapping[Path, str],
    environment: Mapping[str, str],
    root: Path = _MACHINE,
) -> Sandbox:
    """Start a program, in the tree of files below `root`. `binds` are put over other paths of it, for it alone."""
    if root != _MACHINE:
        binds = {**{Path(path): path for path in _SHARED}, **binds}
        argv = ["chroot", str(root), *argv]
    mounts = []
    for outside, inside in binds.items():
        target = root / inside.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.mkdir() if outside.is_dir() else target.touch()
        mounts += [str(outside), str(target)]
    guard = ["setpriv", "--pdeathsig", "KILL", "--"]
    isolate = ["unshare", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child", "--"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*guard, *isolate, "sh", "-c", _SCRIPT, "sh", *mounts, "--", "taskset", "-c", str(cpu), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            # A Ctrl-C is for the benchmark, which then stops its servers.
            start_new_session=True,
        )
    return Sandbox(process, log)
