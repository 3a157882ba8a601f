"""Runs other programs, with their output in a log and their failure in one sentence."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.errors import TestbedError


def run(argv: Sequence[str], *, stdin: str | None = None, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a program and keep its output. Raises TestbedError with the end of its standard error."""
    result = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if check and result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        said = " ".join(line.strip() for line in lines[-10:]) or f"exit code {result.returncode}"
        raise TestbedError(f"`{' '.join(argv)}` failed: {said}")
    return result


def run_logged(
    argv: Sequence[str], log: Path, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program with its output appended to a log. Raises TestbedError that names the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        result = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode:
        raise TestbedError(f"`{' '.join(argv)}` failed; see {log}")
