"""Waiting without guessing how long."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.05


def eventually(look: Callable[[], T], *, seconds: float, what: str = "") -> T:
    """Look until there is something to see. What the look raises is raised at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = look()
            if found:
                return found
            failure: Exception = AssertionError(f"{what or look}: not within {seconds} s")
        except Exception as error:  # noqa: BLE001 - it is raised at the deadline
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(PAUSE)
