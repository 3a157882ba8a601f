"""Writes the status of FtpsUsers. Not in the reconciles that find it out: a thousand writes would hold them up."""

import datetime
from collections.abc import Callable, Mapping

from ftps_operator.cache import Cache
from ftps_operator.clock import timestamp, utc_now
from ftps_operator.kinds import FTPS_USER
from ftps_operator.statuswriter import StatusWriter
from ftps_operator.tenants import ObjectId
from ftps_operator.userstatus import Outcome, compute
from ftps_operator.workqueue import Key


class UserStatusWriter:
    """Holds what is to be said of each FtpsUser, and says it when its key comes up."""

    def __init__(
        self,
        *,
        cache: Cache,
        write_status: StatusWriter,
        add: Callable[[Key], None],
        now: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self._cache = cache
        self._write_status = write_status
        self._add = add
        self._now = now
        self._outcomes: dict[ObjectId, Outcome] = {}

    def tell(self, outcomes: Mapping[ObjectId, Outcome]) -> None:
        """Have these written, where they are news."""
        for identity, outcome in outcomes.items():
            if self._outcomes.get(identity) != outcome:
                self._outcomes[identity] = outcome
                self._add(Key(*identity))

    def forget(self, server: ObjectId) -> None:
        """Say nothing of a server's users any more."""
        self._outcomes = {identity: each for identity, each in self._outcomes.items() if each.server != server}

    async def __call__(self, key: Key) -> None:
        """Write one status, if it is not there already."""
        body, outcome = self._cache.known(FTPS_USER, *key), self._outcomes.get(key)
        if body is None:
            self._outcomes.pop(key, None)
            return
        if outcome is None or outcome.uid != body["metadata"]["uid"]:
            return  # a reconcile of its server is to come
        previous = body.get("status", {})
        wanted = compute(outcome, previous, now=timestamp(self._now()))
        if outcome.yields_to(previous):
            return
        await self._write_status(body, wanted)
