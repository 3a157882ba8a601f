"""Kubernetes Events: what a person sees with `kubectl describe`."""

import datetime
import logging
import uuid
from collections.abc import Callable

from ftps_operator.api import ApiClient
from ftps_operator.clock import utc_now
from ftps_operator.constants import FIELD_MANAGER
from ftps_operator.errors import ApiError, ConflictError
from ftps_operator.naming import Manifest
from ftps_operator.transitions import Transition

NOTE_BYTES = 1024  # the limit of events.k8s.io/v1

logger = logging.getLogger(__name__)


class EventRecorder:
    """Writes Events. One that cannot be written is logged and forgotten: the status says the same."""

    def __init__(self, api: ApiClient, *, instance: str, now: Callable[[], datetime.datetime] = utc_now) -> None:
        self._api = api
        self._instance = instance
        self._now = now

    async def emit(self, regarding: Manifest, transition: Transition) -> None:
        """Write one Event about an object."""
        meta = regarding["metadata"]
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": meta["namespace"]},
            "eventTime": self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "regarding": {
                "apiVersion": regarding["apiVersion"],
                "kind": regarding["kind"],
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "type": transition.type,
            "reason": transition.reason,
            "note": _shortened(transition.message),
            "action": "Reconcile",
            "reportingController": FIELD_MANAGER,
            "reportingInstance": self._instance,
        }
        try:
            await self._api.create(event)
        except ConflictError as error:
            logger.debug("an Event could not be written, the namespace is about to go: %s", error)
        except ApiError as error:
            logger.warning("an Event could not be written: %s", error)


def _shortened(text: str) -> str:
    whole = text.encode()
    if len(whole) <= NOTE_BYTES:
        return text
    return whole[: NOTE_BYTES - len("…".encode())].decode(errors="ignore") + "…"
