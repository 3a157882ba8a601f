"""What NetworkPolicies allow, by Cyclonus' simulator: somebody else's reading of the specification.

In a module of its own: its versions are not the cluster's, and another of them must not have Kubernetes built anew.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from testbed import build
from testbed.errors import TestbedError
from testbed.locks import exclusive
from testbed.paths import CACHE
from testbed.progress import step
from testbed.shell import run, run_logged

SOURCES = Path(__file__).resolve().parents[1] / "simulator"


def ensure() -> Path:
    """The program, built where it is not in the cache."""
    program = CACHE / f"simulator-{build.digest_of(SOURCES)}"
    with exclusive(CACHE, "building"):
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    if shutil.which("go") is None:
        raise TestbedError("Go is missing: install Go 1.26 or newer, and see that `go` is on the PATH")
    log = CACHE / "logs" / "simulator.log"
    part = program.with_suffix(".part")
    with step("Building the simulator of NetworkPolicies (a minute on 2 cores)", log):
        argv = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(part), "."]
        run_logged(argv, log, cwd=SOURCES, environment={"CGO_ENABLED": "0"})
    part.rename(program)


def allowed(policies: list[dict[str, Any]], connections: list[dict[str, Any]]) -> list[bool]:
    """Whether each connection is allowed (as `Connection` in main.go has it)."""
    question = {"policies": policies, "connections": connections}
    answers: list[bool] = json.loads(run([str(ensure())], stdin=json.dumps(question)).stdout)
    return answers


if __name__ == "__main__":
    ensure()
