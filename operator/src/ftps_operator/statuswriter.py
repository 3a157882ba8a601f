"""Writes a status where it is news, and tells of it by Events."""

from typing import Any

from ftps_operator.cache import Cache
from ftps_operator.events import EventRecorder
from ftps_operator.metrics import Metrics
from ftps_operator.naming import Manifest
from ftps_operator.transitions import transitions


class StatusWriter:
    """For FtpsServers and FtpsUsers."""

    def __init__(self, *, cache: Cache, events: EventRecorder, metrics: Metrics) -> None:
        self._cache = cache
        self._events = events
        self._metrics = metrics

    async def __call__(self, body: Manifest, wanted: dict[str, Any]) -> Manifest:
        """Write the status of an object, unless it has it already. Returns the object as it is then."""
        previous: dict[str, Any] = body.get("status", {})
        if wanted == previous:
            return body
        meta = body["metadata"]
        self._metrics.status_writes.inc()
        with self._metrics.status_errors.count_exceptions():
            written = await self._cache.apply_status(
                {
                    "apiVersion": body["apiVersion"],
                    "kind": body["kind"],
                    # The uid: an object deleted and made anew must not get its predecessor's status.
                    "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
                    "status": wanted,
                }
            )
        for event in transitions(previous, wanted):
            await self._events.emit(body, event)
        return written
