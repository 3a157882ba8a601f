"""The end of a server: nobody new is let in, who transfers may finish."""

import time
from collections.abc import Callable, Iterable
from typing import Protocol

IDLE_SECONDS = 5.0
"""A session that has done nothing for so long is ended: its client connects again, to another server."""


class Drainable(Protocol):
    """A session."""

    last_active: float

    @property
    def is_busy(self) -> bool:
        """Whether a transfer is under way."""

    def end(self, text: str) -> None:
        """Say why, and close."""


class Drain:
    """Decides when sessions end. Times are monotonic seconds."""

    def __init__(self, *, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._deadline = monotonic() + seconds

    def end_idle(self, sessions: Iterable[Drainable]) -> None:
        """End the sessions that do nothing."""
        for session in list(sessions):
            if not session.is_busy and self._monotonic() - session.last_active >= IDLE_SECONDS:
                session.end("This server is about to end; connect again.")

    def is_over(self, sessions: int) -> bool:
        """Whether there is nothing left to wait for, or no time."""
        return sessions == 0 or self._monotonic() >= self._deadline
