"""Who is not let in for a while: addresses that guess passwords. Users are never banned: anybody could see to it."""

import time
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from ftps_server.config import BanConfig

MAX_ADDRESSES = 10_000
"""An attacker may have any number of them. What is remembered beyond that are the last that failed."""


class Bans:
    """Failed logins by address.

    An address is banned when so many of its logins fail within the time that is set, until that time has passed since
    the last of them. A login that succeeds changes nothing: an attacker who has an account, too, would use it to go on.
    """

    def __init__(self, config: BanConfig | None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._monotonic = monotonic
        self._failures: dict[str, deque[float]] = {}
        """When the last logins failed, as many as make a ban. Who failed longest ago comes first."""

    def replace(self, config: BanConfig | None) -> None:
        """Take new limits. They count for what has failed before, too."""
        self._config = config
        if config is None:
            self._failures.clear()
        else:
            self._failures = {key: deque(times, config.failures) for key, times in self._failures.items()}

    def failed(self, address: str) -> bool:
        """A login has failed; whether the address is banned now."""
        if self._config is None:
            return False
        now = self._monotonic()
        self._forget(now - self._config.seconds)
        key = _key(address)
        # Out and in again: it has failed last.
        times = self._failures.pop(key, None) or deque(maxlen=self._config.failures)
        times.append(now)
        self._failures[key] = times
        if len(self._failures) > MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        return _is_ban(times, self._config)

    def is_banned(self, address: str) -> bool:
        """Whether an address is not let in."""
        if self._config is None or not self._failures:
            return False
        times = self._failures.get(_key(address))
        if times is None or times[-1] <= self._monotonic() - self._config.seconds:
            return False
        return _is_ban(times, self._config)

    def _forget(self, past: float) -> None:
        """Remember nobody who has not failed since then."""
        while self._failures:
            key, times = next(iter(self._failures.items()))
            if times[-1] > past:
                return
            del self._failures[key]


def _is_ban(times: deque[float], config: BanConfig) -> bool:
    return len(times) >= config.failures and times[-1] - times[0] < config.seconds


def _key(address: str) -> str:
    """Who counts as one: an IPv4 address, or an IPv6 network of 64 bits, as its owner has all the addresses in it."""
    if ":" not in address:
        return address
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return parsed.packed[:8].hex()
        return str(parsed.ipv4_mapped)
    return address
