"""How fast files are transferred: for the server in all, and for each user in all.

A part of a file is transferred first and paid for afterwards: who has moved more than the rate allows waits. So a part
may be of any size, and those who share a rate get their turns one after the other.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from ftps_server.config import Bandwidth, UserConfig

BURST_SECONDS = 0.25
"""What was not used may be made up for later, up to what the rate allows in this time: timers come late. No more, not
even a turn of the event loop, as at a low rate that would be whole files."""
QUANTUM_SECONDS = 0.05
"""A part should take no longer than this, so that waits are short: a client that hears nothing for long gives up."""
SMALLEST_QUANTUM = 1024
REMEMBERED = 1024
"""Buckets that are kept though nobody uses them: many small files, a session each, are no way around the rate."""


class Bucket:
    """One rate, in bytes a second; None lets everything through. It can be changed while in use."""

    __slots__ = ("__weakref__", "_balance", "_monotonic", "_rate", "_settled")

    def __init__(self, rate: int | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._rate = rate
        self._balance = 0.0
        """Bytes that may be moved now; less than zero: that must be waited for."""
        self._settled = monotonic()

    @property
    def rate(self) -> int | None:
        """Bytes a second."""
        return self._rate

    @rate.setter
    def rate(self, rate: int | None) -> None:
        if self._rate is None:
            self._balance, self._settled = 0.0, self._monotonic()
        else:
            self._settle(self._rate)
        self._rate = rate

    @property
    def quantum(self) -> int:
        """How much to move before the next `spend`."""
        return sys.maxsize if self._rate is None else max(SMALLEST_QUANTUM, int(self._rate * QUANTUM_SECONDS))

    def spend(self, count: int) -> float:
        """So many bytes were moved; the seconds to wait before more are."""
        if self._rate is None:
            return 0.0
        self._settle(self._rate)
        self._balance -= count
        return max(0.0, -self._balance / self._rate)

    def _settle(self, rate: int) -> None:
        now = self._monotonic()
        self._balance = min(self._balance + (now - self._settled) * rate, BURST_SECONDS * rate)
        self._settled = now


class Shaper:
    """All the rates that hold for one session, in one direction."""

    __slots__ = ("_buckets",)

    def __init__(self, buckets: Sequence[Bucket]) -> None:
        self._buckets = tuple(buckets)

    @property
    def quantum(self) -> int:
        """How much to move before the next `spend`."""
        return min(bucket.quantum for bucket in self._buckets)

    def spend(self, count: int) -> float:
        """So many bytes were moved; the seconds to wait before more are. Call it for the last bytes of a file, too."""
        return max([bucket.spend(count) for bucket in self._buckets])


class BandwidthTable:
    """Hands out the shapers.

    Ask at the login, and keep the answer: who asks last says what rate all sessions of the user have. Who was told None
    may ask again whenever a transfer begins, in case the server has got a limit meanwhile. A user's limit that was
    taken away still holds for the sessions that began with it.
    """

    def __init__(self, limits: Bandwidth, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._upload = _Direction(limits.upload, monotonic)
        self._download = _Direction(limits.download, monotonic)

    def replace(self, limits: Bandwidth) -> None:
        """Take new limits of the server, also for the transfers that are under way."""
        self._upload.server.rate = limits.upload
        self._download.server.rate = limits.download

    def upload(self, user: UserConfig) -> Shaper | None:
        """What a user's uploads are held to; None: to nothing."""
        return self._upload.shaper(user.name, user.bandwidth.upload)

    def download(self, user: UserConfig) -> Shaper | None:
        """What a user's downloads are held to; None: to nothing."""
        return self._download.shaper(user.name, user.bandwidth.download)


class _Direction:
    def __init__(self, rate: int | None, monotonic: Callable[[], float]) -> None:
        self.server = Bucket(rate, monotonic=monotonic)
        self._monotonic = monotonic
        self._users: WeakValueDictionary[str, Bucket] = WeakValueDictionary()
        self._remembered: deque[Bucket] = deque(maxlen=REMEMBERED)

    def shaper(self, name: str, rate: int | None) -> Shaper | None:
        if rate is None:
            return None if self.server.rate is None else Shaper((self.server,))
        bucket = self._users.get(name)
        if bucket is None:
            bucket = self._users[name] = Bucket(rate, monotonic=self._monotonic)
        elif bucket.rate != rate:
            bucket.rate = rate
        self._remembered.append(bucket)
        # The server's rate may come later.
        return Shaper((self.server, bucket))
