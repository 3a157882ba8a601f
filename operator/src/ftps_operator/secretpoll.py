"""Reads Secrets and finds out which have changed, without the right to list or watch Secrets.

Each Secret is looked at by its name, and its version only. The content is read by a reconcile that does not know it as
it is, and kept: a server with a thousand users does not read a thousand Secrets each time. How often a Secret is looked
at depends on how many there are, and on whose they are:

- As long as few Secrets are watched, all of them share what an operator may ask that has nothing to do.
- What somebody else keeps (passwords, certificates, authorities) is noticed within a minute at the latest, as a
  password that was changed must not be good for long. From thirty Secrets on that takes more requests, 20 a second
  for a thousand: answered from the API server's memory, with a few hundred bytes each.
- What the operator writes takes its share while it is little. Beyond that it is left to the resync: nobody but an
  administrator changes it. What cert-manager writes is not looked at, as it shows in its Certificate.
- What was missing, or has changed lately, is looked at every two seconds for a while: somebody is at work on it.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from ftps_operator.errors import ApiError
from ftps_operator.secretview import SecretView

K = TypeVar("K", bound=Hashable)

SecretName = tuple[str, str]
"""Namespace and name."""

ROUND_SECONDS = 2.0
"""How often a Secret is looked at, at most."""
NAMED_ROUND_SECONDS = 50.0
"""How often at least those that somebody else keeps are: ten seconds of the minute are for what follows."""
IDLE_PER_SECOND = 0.6
"""Looks at all Secrets together: with the lease's renewal and the lists, not quite one request a second."""
LEAST_OWN_SHARE = 0.05
"""Of the looks at what somebody else keeps, where that takes up all of them."""
MAX_OWN = 20
RECENT_SECONDS = 300.0
MAX_RECENT = 20
READS_AT_ONCE = 16

logger = logging.getLogger(__name__)


def named_pause(named: int, own: int) -> float | None:
    """Seconds between two looks at so many Secrets that somebody else keeps, beside so many of ours."""
    return 1 / _named_per_second(named, own) if named else None


def own_pause(own: int, named: int) -> float | None:
    """Seconds between two looks at so many Secrets of ours. None: they are not looked at."""
    if not 0 < own <= MAX_OWN:
        return None
    taken = _named_per_second(named, own)
    return 1 / min(max(IDLE_PER_SECOND - taken, taken * LEAST_OWN_SHARE), own / ROUND_SECONDS)


def _named_per_second(named: int, own: int) -> float:
    others = own if own <= MAX_OWN else 0
    share = IDLE_PER_SECOND * named / (named + others) if named else 0.0
    return min(max(share, named / NAMED_ROUND_SECONDS), named / ROUND_SECONDS)


class SecretPoll(Generic[K]):
    """Watches the Secrets of each key. A Secret of several keys is looked at once."""

    def __init__(
        self,
        *,
        get: Callable[[SecretName], Awaitable[SecretView | None]],
        get_version: Callable[[SecretName], Awaitable[str | None]],
        on_change: Callable[[K], None],
        pause: Callable[[int], float | None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._get = get
        self._get_version = get_version
        self._on_change = on_change
        self._pause = pause
        self._sleep = sleep
        self._monotonic = monotonic
        self._names: dict[K, frozenset[SecretName]] = {}
        self._known: dict[SecretName, dict[K, str | None]] = defaultdict(dict)
        """In the order of the last look. What is watched anew keeps its place: the reconcile may know it by a view."""
        self._told: set[K] = set()
        """Told of a change, and not reconciled yet."""
        self._views: dict[SecretName, SecretView] = {}
        self._reading: dict[SecretName, object] = {}
        """The read that is under way, by a token of its own. What is dropped meanwhile is not in it."""
        self._recent: dict[SecretName, float] = {}
        """Until when they are looked at more often, the latest last."""

    def __len__(self) -> int:
        """How many Secrets are watched."""
        return len(self._known)

    def watch(self, key: K, versions: Mapping[SecretName, str | None]) -> None:
        """Watch these Secrets for a key, and no others. The resource versions are those it knows; None: missing."""
        self._told.discard(key)
        names = frozenset(versions)
        before, self._names[key] = self._names.get(key, frozenset()), names
        self._unwatch(key, before - names)
        for name, version in versions.items():
            is_new = key not in self._known[name]
            if version is None if is_new else version != self._known[name][key]:
                self._note_recent(name)
            self._known[name][key] = version

    def _note_recent(self, name: SecretName) -> None:
        self._recent.pop(name, None)
        self._recent[name] = self._monotonic() + RECENT_SECONDS
        for oldest in list(self._recent)[:-MAX_RECENT]:
            del self._recent[oldest]

    def forget(self, key: K) -> None:
        """Watch nothing for a key any more."""
        self._told.discard(key)
        self._unwatch(key, self._names.pop(key, frozenset()))

    def _unwatch(self, key: K, names: Iterable[SecretName]) -> None:
        for name in names:
            del self._known[name][key]
            if not self._known[name]:
                del self._known[name]
                self._recent.pop(name, None)
                self.drop(name)

    async def read(self, names: Iterable[SecretName]) -> dict[SecretName, SecretView | None]:
        """Read Secrets: those whose content is known as it was, the others from the API server."""
        wanted, at_once = set(names), asyncio.Semaphore(READS_AT_ONCE)

        async def look(name: SecretName) -> tuple[SecretName, SecretView | None]:
            async with at_once:
                token = self._reading[name] = object()
                view = await self._get(name)
            if self._reading.get(name) is token:  # or the view may be older than what it was dropped for
                del self._reading[name]
                if view is not None:
                    self._views[name] = view
            return name, view

        known = {name: self._views[name] for name in wanted if name in self._views}
        return {**known, **dict(await asyncio.gather(*(look(name) for name in wanted - known.keys())))}

    def drop(self, name: SecretName) -> None:
        """Have a Secret read anew by whoever reads it next."""
        self._views.pop(name, None)
        self._reading.pop(name, None)

    async def run(self) -> None:
        """Look for ever at the Secret that was looked at the longest ago, and at those that somebody is at work on."""
        looked = looked_at_recent = self._monotonic()
        while True:
            pause = self._pause(len(self._known))
            due = looked + (ROUND_SECONDS if pause is None else pause)
            recent_due = looked_at_recent + ROUND_SECONDS
            await self._sleep(max(min(due, recent_due) - self._monotonic(), 0.0))
            began = self._monotonic()
            if recent_due <= due:
                looked_at_recent = began
                self._recent = {name: until for name, until in self._recent.items() if until > began}
                await asyncio.gather(*map(self._check, self._recent if pause is not None else ()))
                continue
            looked = began
            if pause is not None and self._known:
                name = next(iter(self._known))
                self._known[name] = self._known.pop(name)
                await self._check(name)

    async def _check(self, name: SecretName) -> None:
        known = dict(self._known.get(name, {}))
        try:
            version = await self._get_version(name)
        except ApiError as error:
            logger.debug("cannot look at a Secret: %s", error)
            return
        view = self._views.get(name)
        if view is not None and view.resource_version != version:
            self.drop(name)
        for key, before in known.items():
            # Looked at meanwhile by a reconcile: what it knows is newer.
            is_news = version != before and self._known.get(name, {}).get(key, version) == before
            if is_news and key not in self._told:
                self._told.add(key)
                self._on_change(key)
