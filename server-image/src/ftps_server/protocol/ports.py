"""The passive ports that this process owns."""

import random
from collections import deque
from collections.abc import Iterable


class PassivePortPool:
    """Hands ports out, each to one transfer at a time, the one longest unused first.

    A port that was just used may still get connections meant for the transfer before.
    """

    def __init__(self, ports: Iterable[int]) -> None:
        shuffled = list(ports)
        # Guessing the next port must not be too easy for who wants to connect to it before the client does.
        random.shuffle(shuffled)
        self._free = deque(shuffled)
        self.total = len(shuffled)

    def take(self) -> int | None:
        """A free port, or None: there is never one from outside the range."""
        return self._free.popleft() if self._free else None

    def give_back(self, port: int) -> None:
        """The transfer has its connection, or will never have one."""
        self._free.append(port)

    @property
    def in_use(self) -> int:
        """How many wait for a client."""
        return self.total - len(self._free)
