"""Leader election: of several operators, one writes.

By a Lease, as client-go does it (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection): clocks of different
machines are never compared; a lease counts as given up when it has not changed for its duration on our own clock.
Nothing fences what a stopped process had already sent: the API server may still carry out its last requests.
"""

import asyncio
import contextlib
import datetime
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ftps_operator.api import ApiClient
from ftps_operator.errors import ApiError, ConflictError
from ftps_operator.kinds import LEASE
from ftps_operator.naming import Manifest

LEASE_SECONDS = 15
RENEW_SECONDS = 10
"""A leader that could not renew for so long stops, before another one may start."""
TRY_SECONDS = 5
RETRY_SECONDS = 2
KEEP_SECONDS = 3

logger = logging.getLogger(__name__)


class LeadershipLostError(Exception):
    """Somebody else may write by now: this process must stop at once."""


@dataclass(slots=True)
class _Seen:
    """What a lease looked like, and since when on our clock."""

    version: str
    at: float


class Leadership:
    """One candidate for a lease."""

    def __init__(
        self,
        api: ApiClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._monotonic = monotonic
        self._sleep = sleep
        self._seen: _Seen | None = None
        self._lease: Manifest | None = None
        self._renewed = 0.0

    async def acquire(self, *, on_standby: Callable[[], None] = lambda: None) -> None:
        """Wait until the lease is ours. `on_standby` is called whenever another operator is seen to have it."""
        while not await self._try(TRY_SECONDS):
            if self._seen is not None:
                on_standby()
            await self._sleep(RETRY_SECONDS)
        logger.info("leading as %s", self._identity)

    async def keep(self) -> None:
        """Renew the lease for ever. Raises LeadershipLostError when that has failed for too long."""
        while True:
            await self._sleep(KEEP_SECONDS)
            left = self._renewed + RENEW_SECONDS - self._monotonic()
            if left > 0 and await self._try(min(left, TRY_SECONDS)):
                continue
            if self._lease is None or self._monotonic() - self._renewed >= RENEW_SECONDS:
                raise LeadershipLostError(f"the lease {self._namespace}/{self._name} is not ours any more")

    def is_held(self) -> bool:
        """Whether nobody else can have the lease yet. Not so in a process that was stopped for a while and goes on."""
        return self._lease is not None and self._monotonic() - self._renewed < RENEW_SECONDS

    async def release(self) -> None:
        """Give the lease up, so that another one need not wait for it."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            lease["spec"]["holderIdentity"] = ""
            try:
                await self._api.replace(lease)
            except ApiError as error:
                logger.warning("the lease could not be given up: %s", error)

    async def _try(self, seconds: float) -> bool:
        # From before the request: the others count from when the API server carried it out.
        asked = self._monotonic()
        try:
            async with asyncio.timeout(seconds):
                ours = await self._acquire_or_renew()
        except ApiError as error:
            logger.warning("the lease could not be renewed: %s", error)
            return False
        except TimeoutError:
            logger.warning("the lease could not be renewed: no answer in %.1f s", seconds)
            return False
        if ours:
            self._renewed = asked
        return ours

    async def _acquire_or_renew(self) -> bool:
        if self._lease is not None:
            # ConflictError: somebody has written it, or our own last answer was lost. Look who leads.
            with contextlib.suppress(ConflictError):
                self._lease = await self._api.replace(
                    self._lease | {"spec": self._lease["spec"] | {"renewTime": _now()}}
                )
                return True
        current = await self._api.get(LEASE, self._namespace, self._name)
        if current is None:
            self._lease = await self._api.create(self._manifest())
            return True
        spec = current.setdefault("spec", {})
        if spec.get("holderIdentity") != self._identity:
            self._lease = None
            if spec.get("holderIdentity") and not self._is_given_up(current):
                return False
            spec["acquireTime"] = _now()
            spec["leaseTransitions"] = spec.get("leaseTransitions", 0) + 1
        spec |= {"holderIdentity": self._identity, "renewTime": _now(), "leaseDurationSeconds": LEASE_SECONDS}
        try:
            self._lease = await self._api.replace(current)
        except ConflictError:
            return False
        return True

    def _is_given_up(self, lease: Manifest) -> bool:
        version = lease["metadata"]["resourceVersion"]
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version, self._monotonic())
        return self._monotonic() - self._seen.at > LEASE_SECONDS

    def _manifest(self) -> Manifest:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": _now(),
                "renewTime": _now(),
                "leaseTransitions": 0,
            },
        }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
