"""Which passive port a transfer gets."""

import random
from collections import deque
from collections.abc import Iterable

from ftps_server.protocol.expectation import Expectation


class PortsExhaustedError(Exception):
    """Every port of the range has somebody waiting, and may not be shared."""


class PortTable:
    """Who waits at which port. There is never a port from outside the range."""

    def __init__(self, ports: Iterable[int], *, shared: bool) -> None:
        # Guessing the next port must not be too easy for who wants to connect to it before the client does.
        shuffled = random.sample(ports := list(ports), len(ports))
        self._shared = shared
        # The longest unused first: one just used may still get connections meant for the transfer before.
        self._free = deque(shuffled)
        self._waiting: dict[int, list[Expectation]] = {port: [] for port in shuffled}

    @property
    def ports(self) -> list[int]:
        """All of them."""
        return list(self._waiting)

    @property
    def total(self) -> int:
        """How many ports there are."""
        return len(self._waiting)

    @property
    def in_use(self) -> int:
        """How many have somebody waiting."""
        return self.total - len(self._free)

    def choose(self, address: str) -> int:
        """A port for a client: one where nobody waits, else one where nobody of its address does."""
        if self._free:
            return self._free[0]
        if not self._shared:
            raise PortsExhaustedError
        return min(self._waiting, key=lambda port: self._crowd(port, address))

    def add(self, expectation: Expectation) -> None:
        """Somebody waits."""
        waiting = self._waiting[expectation.port]
        if not waiting:
            self._free.remove(expectation.port)
        waiting.append(expectation)

    def remove(self, expectation: Expectation) -> None:
        """Waits no more."""
        waiting = self._waiting[expectation.port]
        waiting.remove(expectation)
        if not waiting:
            self._free.append(expectation.port)

    def waiting(self, port: int) -> list[Expectation]:
        """Who waits at a port."""
        return list(self._waiting[port])

    def _crowd(self, port: int, address: str) -> tuple[int, int]:
        waiting = self._waiting[port]
        return sum(each.address == address for each in waiting), len(waiting)
