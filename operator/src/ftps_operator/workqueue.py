"""A queue of keys in which nothing is done twice at once and nothing that happens meanwhile is forgotten.

As client-go's workqueue: https://pkg.go.dev/k8s.io/client-go/util/workqueue
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from ftps_operator import logs
from ftps_operator.errors import ApiError, ConflictError, TransientError
from ftps_operator.metrics import Metrics


class Key(NamedTuple):
    """Names an FtpsServer, or an FtpsUser."""

    namespace: str
    name: str


K = TypeVar("K", bound=Hashable)

FIRST_RETRY_SECONDS = 0.2
LAST_RETRY_SECONDS = 60.0

logger = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Keys that wait, keys that are worked on, keys that come later. For one event loop."""

    def __init__(
        self,
        *,
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None,
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._metrics.watch_queue(depth=lambda: len(self._waiting), longest=self.longest)
        self._call_later = call_later
        self._jitter = jitter
        self._monotonic = monotonic
        self._waiting: deque[K] = deque()
        self._dirty: dict[K, float] = {}
        self._processing: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._available = asyncio.Event()

    def add(self, key: K) -> None:
        """Have a key worked on: soon, and once, however often it is added until then."""
        if key in self._dirty:
            return
        self._dirty[key] = self._monotonic()
        self._metrics.adds.inc()
        if key not in self._processing:
            self._waiting.append(key)
            self._available.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Add a key later. The earliest time that was asked for wins."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = (self._call_later or loop.call_later)(seconds, lambda: self._due(key))

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def retry(self, key: K, *, at_least: float = 0.0) -> None:
        """Add a key that failed: later with each failure, and not all of them at the same moment."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._metrics.retries.inc()
        delay = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures, 32), LAST_RETRY_SECONDS)
        spread = delay * (0.75 + self._jitter() / 2)
        self.add_after(key, max(spread, min(at_least, LAST_RETRY_SECONDS)))

    def forget(self, key: K) -> None:
        """Count the failures of a key from zero again."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for a key, and take it. `done` must follow."""
        while not self._waiting:
            self._available.clear()
            await self._available.wait()
        key = self._waiting.popleft()
        now = self._monotonic()
        self._metrics.queue_seconds.observe(now - self._dirty.pop(key))
        self._processing[key] = now
        return key

    def done(self, key: K) -> None:
        """Give a key back. Was it added meanwhile, it waits again."""
        self._metrics.work_seconds.observe(self._monotonic() - self._processing.pop(key))
        if key in self._dirty:
            self._waiting.append(key)
            self._available.set()

    @property
    def idle(self) -> bool:
        """Whether nothing waits, and nothing is being worked on."""
        return not self._dirty and not self._processing

    def longest(self) -> float:
        """For how many seconds the key that takes the longest is being worked on."""
        return self._monotonic() - min(self._processing.values()) if self._processing else 0.0

    def close(self) -> None:
        """Drop what comes later."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


async def work(queue: WorkQueue[K], process: Callable[[K], Awaitable[float | None]]) -> None:
    """Work off keys for ever. `process` returns after how many seconds it wants the key again, if at all."""
    while True:
        key = await queue.get()
        try:
            with logs.about(key):
                await _work_off(queue, key, process)
        finally:
            queue.done(key)


async def _work_off(queue: WorkQueue[K], key: K, process: Callable[[K], Awaitable[float | None]]) -> None:
    try:
        again = await process(key)
    except ConflictError as error:
        logger.debug("changed meanwhile: %s", error)
        queue.retry(key)
    except TransientError as error:
        logger.warning("will try again: %s", error)
        queue.retry(key, at_least=error.retry_after or 0.0)
    except ApiError as error:
        logger.error("cannot go on: %s: %s", type(error).__name__, error)  # noqa: TRY400
        queue.retry(key)
    except Exception:
        logger.exception("reconcile failed")
        queue.retry(key)
    else:
        queue.forget(key)
        if again is not None:
            queue.add_after(key, again)
