"""Finds out which Secrets have changed, without the right to list or watch Secrets.

Each Secret is read by its name. A few servers are gone round in two seconds; with many of them it takes longer, as the
rate of requests is bounded.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

from ftps_operator.errors import ApiError

K = TypeVar("K", bound=Hashable)

SecretName = tuple[str, str]
"""Namespace and name."""

ROUND_SECONDS = 2.0
MAX_PER_SECOND = 20.0

logger = logging.getLogger(__name__)


class SecretPoll(Generic[K]):
    """Watches the Secrets of each key."""

    def __init__(
        self,
        *,
        get_version: Callable[[SecretName], Awaitable[str | None]],
        on_change: Callable[[K], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._get_version = get_version
        self._on_change = on_change
        self._sleep = sleep
        self._known: dict[K, dict[SecretName, str | None]] = {}

    def watch(self, key: K, versions: Mapping[SecretName, str | None]) -> None:
        """Watch these Secrets for a key, and no others. The resource versions are those it knows; None: missing."""
        self._known[key] = dict(versions)

    def forget(self, key: K) -> None:
        """Watch nothing for a key any more."""
        self._known.pop(key, None)

    async def run(self) -> None:
        """Go round for ever."""
        while True:
            spent = 0.0
            for key in list(self._known):
                spent += await self._check(key)
            await self._sleep(max(ROUND_SECONDS - spent, 0.1))

    async def _check(self, key: K) -> float:
        """Look at one key's Secrets. Returns how long the rate limit made it wait."""
        spent = 0.0
        for secret, known in list(self._known.get(key, {}).items()):
            spent += 1 / MAX_PER_SECOND
            await self._sleep(1 / MAX_PER_SECOND)
            try:
                version = await self._get_version(secret)
            except ApiError as error:
                logger.debug("cannot look at a Secret: %s", error)
                continue
            watched = self._known.get(key)
            # Looked at meanwhile by a reconcile: what it knows is newer.
            if watched is None or watched.get(secret) != known or version == known:
                continue
            del self._known[key]  # the reconcile that follows watches it again
            self._on_change(key)
            break
        return spent
