"""What must not take for ever. Looked at once in a while: a timer each would cost more than what it guards."""

import time
from collections.abc import Callable
from typing import Protocol

SWEEP_SECONDS = 0.25


class Limited(Protocol):
    """Something that has a deadline of its own."""

    @property
    def closed(self) -> bool:
        """Whether it is over."""

    def sweep(self, now: float) -> None:
        """End what takes too long. `now` is monotonic seconds."""


class Deadlines:
    """All of a process."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._limited: list[Limited] = []

    def add(self, limited: Limited) -> None:
        """Watch over it till it is over."""
        self._limited.append(limited)

    def sweep(self) -> None:
        """End what takes too long, and forget what is over."""
        now = self._monotonic()
        watched, self._limited = self._limited, []
        for limited in watched:
            if not limited.closed:
                limited.sweep(now)
            if not limited.closed:
                self._limited.append(limited)
