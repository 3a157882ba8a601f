"""Finds out which Secrets have changed, without the right to list or watch Secrets.

Each Secret is looked at by its name; its content is not read. How often depends on how many there are, and on whose
they are:

- What somebody else keeps (passwords, certificates, authorities) is noticed within a minute at the latest, as a
  password that was changed must not be good for long. That takes a request a second for 60 Secrets, and 33 for 2,000:
  answered from the API server's memory, with a few hundred bytes each.
- What the operator or cert-manager writes is looked at every few seconds while it is little. Beyond that it is left to
  the resync: nobody but an administrator changes it, and a renewed certificate shows in its Certificate.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

from ftps_operator.errors import ApiError

K = TypeVar("K", bound=Hashable)

SecretName = tuple[str, str]
"""Namespace and name."""

ROUND_SECONDS = 2.0
"""How often a few Secrets are looked at."""
NAMED_ROUND_SECONDS = 60.0
"""How often at least those that somebody else keeps are."""
OWN_PER_SECOND = 2.0
MAX_OWN = 20

logger = logging.getLogger(__name__)


def named_pause(count: int) -> float | None:
    """Seconds between two looks at so many Secrets that somebody else keeps."""
    return min(max(ROUND_SECONDS / count, 1.0), NAMED_ROUND_SECONDS / count) if count else None


def own_pause(count: int) -> float | None:
    """Seconds between two looks at so many Secrets of ours. None: they are not looked at."""
    return max(ROUND_SECONDS / count, 1 / OWN_PER_SECOND) if 0 < count <= MAX_OWN else None


class SecretPoll(Generic[K]):
    """Watches the Secrets of each key. A Secret of several keys is looked at once."""

    def __init__(
        self,
        *,
        get_version: Callable[[SecretName], Awaitable[str | None]],
        on_change: Callable[[K], None],
        pause: Callable[[int], float | None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._get_version = get_version
        self._on_change = on_change
        self._pause = pause
        self._sleep = sleep
        self._names: dict[K, frozenset[SecretName]] = {}
        self._known: dict[SecretName, dict[K, str | None]] = defaultdict(dict)
        """In the order of the last look: a reconcile's, which watches them anew, counts as one."""

    def watch(self, key: K, versions: Mapping[SecretName, str | None]) -> None:
        """Watch these Secrets for a key, and no others. The resource versions are those it knows; None: missing."""
        self.forget(key)
        self._names[key] = frozenset(versions)
        for name, version in versions.items():
            self._known[name][key] = version

    def forget(self, key: K) -> None:
        """Watch nothing for a key any more."""
        for name in self._names.pop(key, ()):
            del self._known[name][key]
            if not self._known[name]:
                del self._known[name]

    async def run(self) -> None:
        """Look for ever at the Secret that was looked at the longest ago."""
        while True:
            pause = self._pause(len(self._known))
            await self._sleep(ROUND_SECONDS if pause is None else pause)
            if pause is not None and self._known:
                name = next(iter(self._known))
                self._known[name] = self._known.pop(name)
                await self._check(name)

    async def _check(self, name: SecretName) -> None:
        known = dict(self._known[name])
        try:
            version = await self._get_version(name)
        except ApiError as error:
            logger.debug("cannot look at a Secret: %s", error)
            return
        for key, before in known.items():
            # Looked at meanwhile by a reconcile: what it knows is newer.
            if version != before and self._known.get(name, {}).get(key, version) == before:
                self.forget(key)  # the reconcile that follows watches it again
                self._on_change(key)
