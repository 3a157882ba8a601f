"""Tells a waiting person what is being done, since when, and where its log is."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 30.0
LIVE_SECONDS = 1.0
_CLEAR_LINE = "\r\x1b[K"
_STARTED = time.monotonic()
_running: list[threading.Event] = []  # a step may have steps; the innermost has the live line


def say(text: str) -> None:
    """One line, with the time since the start."""
    clear = _CLEAR_LINE if sys.stdout.isatty() else ""  # a live line may stand there
    print(f"{clear}[{time.monotonic() - _STARTED:6.1f}s] {text}", flush=True)


@contextmanager
def step(text: str, log: Path | None = None) -> Iterator[None]:
    """Announce a step, remind of it while it lasts, say how long it took.

    The reminder is a live line on a terminal, elsewhere a line now and then.
    """
    where = f" (log: {log})" if log else ""
    say(f"{text}{where}")
    done = threading.Event()
    started = time.monotonic()

    def remind() -> None:
        live = sys.stdout.isatty()
        while not done.wait(LIVE_SECONDS if live else HEARTBEAT_SECONDS):
            elapsed = time.monotonic() - started
            if live and _running[-1] is done:
                _show_live(f"  … {elapsed:.0f} s{_last_line(log)}")
            elif not live:
                say(f"  … still: {text}, {elapsed:.0f} s{_last_line(log)}")

    reminder = threading.Thread(target=remind, daemon=True)
    _running.append(done)
    reminder.start()
    try:
        yield
    finally:
        done.set()
        reminder.join()
        _running.remove(done)
        if sys.stdout.isatty():
            print(_CLEAR_LINE, end="", flush=True)
    took = time.monotonic() - started
    if took >= 1:
        say(f"  done in {took:.1f} s: {text}")


def _show_live(text: str) -> None:
    # A line that wraps could not be cleared.
    width = shutil.get_terminal_size().columns - 1
    print(f"{_CLEAR_LINE}{text[:width]}", end="", flush=True)


def _last_line(log: Path | None) -> str:
    if log is None or not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f": {last.strip()[:100]}" if last else ""


def warn(text: str) -> None:
    """One line on standard error."""
    print(text, file=sys.stderr, flush=True)
