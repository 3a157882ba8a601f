"""Tells a waiting person what is being done, since when, and where its log is."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 30.0
_STARTED = time.monotonic()


def say(text: str) -> None:
    """One line, with the time since the start."""
    print(f"[{time.monotonic() - _STARTED:6.1f}s] {text}", flush=True)


@contextmanager
def step(text: str, log: Path | None = None) -> Iterator[None]:
    """Announce a step, remind of it while it lasts, say how long it took."""
    where = f" (log: {log})" if log else ""
    say(f"{text}{where}")
    done = threading.Event()
    started = time.monotonic()

    def remind() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            say(f"  … still: {text}, {time.monotonic() - started:.0f} s{_last_line(log)}")

    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        done.set()
        reminder.join()
    took = time.monotonic() - started
    if took >= 1:
        say(f"  done in {took:.1f} s: {text}")


def _last_line(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f": {last.strip()[:100]}" if last else ""


def warn(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)
