"""Makes up for what the watches miss, and spreads it over time.

kopf lists a kind when it starts to watch it, and again when a watch was interrupted for too long. What was deleted in
between it never tells. So the kind is listed here, too, as soon as kopf is through, and from time to time in any case.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable

from ftps_operator.cache import Cache
from ftps_operator.errors import ApiError, KindNotServedError
from ftps_operator.kinds import FTPS_SERVER, FTPS_USER, Kind, watched
from ftps_operator.store import Store
from ftps_operator.workqueue import Key

RETRY_SECONDS = 5.0
"""How soon what could not be listed is listed again; twice as long after each failure."""
LAST_RETRY_SECONDS = 30.0
SETTLE_SECONDS = 2.0
"""How long after kopf's last word of a listing it counts as through."""
IDLE_SECONDS = 60.0

Sleep = Callable[[float], Awaitable[None]]

logger = logging.getLogger(__name__)


class Relist:
    """Lists every kind once, and again whenever that may tell something new."""

    def __init__(
        self,
        cache: Cache,
        store: Store,
        add: Callable[[Key], None],
        *,
        namespaces: tuple[str, ...],
        seconds: float,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._cache = cache
        self._store = store
        self._add = add
        self._scopes: tuple[str | None, ...] = namespaces or (None,)
        self._seconds = seconds
        self._sleep = sleep
        self._failures = 0
        self._kinds = watched(namespaces)
        self._due: set[Kind] = set(self._kinds)
        self._wake = asyncio.Event()
        self._last_round = 0

    def is_due(self, kind: Kind) -> None:
        """Have a kind listed soon: kopf is listing it."""
        self._due.add(kind)
        self._wake.set()

    async def first(self) -> None:
        """List everything. Returns when the servers of at least one namespace are known."""
        self._due.discard(FTPS_SERVER)
        while not await self._list(FTPS_SERVER):
            self._failures += 1
            await self._sleep(self._retry_seconds())
        await self._list_due()

    async def run(self) -> None:
        """List for ever what is due."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._retry_seconds() if self._due else self._seconds):
                    await self._wake.wait()
            while self._wake.is_set():
                self._wake.clear()
                await self._sleep(SETTLE_SECONDS)
            if not self._due:
                self._due = set(self._kinds)
                self._store.forget_deleted(before=self._last_round)
                self._last_round = self._store.mark()
            await self._list_due()

    def _retry_seconds(self) -> float:
        return min(RETRY_SECONDS * 2.0 ** min(max(self._failures - 1, 0), 32), LAST_RETRY_SECONDS)

    async def _list_due(self) -> None:
        due, self._due = self._due, set()
        for kind in self._kinds:
            if kind in due:
                await self._list(kind)
        self._failures = self._failures + 1 if self._due else 0

    async def _list(self, kind: Kind) -> bool:
        """Returns whether that went well for at least one namespace. What did not is due again."""
        listed = 0
        for namespace in self._scopes:
            try:
                changed = await self._cache.relist(kind, namespace)
            except KindNotServedError:
                is_ours = kind in (FTPS_SERVER, FTPS_USER)
                logger.log(logging.WARNING if is_ours else logging.DEBUG, "%s is not served", kind.kind)
                if is_ours:
                    self._due.add(kind)
            except ApiError as error:
                logger.warning("the %s of %s cannot be listed: %s", kind.plural, namespace or "the cluster", error)
                self._due.add(kind)
            else:
                listed += 1
                for owner in changed:
                    self._add(Key(*owner))
        return listed > 0


async def look_again(
    store: Store,
    add: Callable[[Key], None],
    *,
    seconds: float,
    sleep: Sleep = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Look at every server once in so many seconds, one after the other: all at once would be a storm."""
    while True:
        servers = sorted(store.owners(FTPS_SERVER))
        if not servers:
            await sleep(IDLE_SECONDS)
        for server in servers:
            await sleep(seconds / len(servers) * (0.8 + 0.4 * jitter()))
            add(Key(*server))
