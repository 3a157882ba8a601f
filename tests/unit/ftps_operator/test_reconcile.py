"""What a reconcile does is tested on the cluster; here is what it does not do."""

import asyncio
from typing import Any

import pytest

from ftps_operator.events import EventRecorder
from ftps_operator.metrics import Metrics
from ftps_operator.reconcile import Reconciler
from ftps_operator.secretpoll import SecretPoll
from ftps_operator.settings import Settings
from ftps_operator.workqueue import Key

KEY = Key("files", "exchange")


class Cache:
    """Holds one server, and has no other method: whatever else is asked for, or written, fails the test."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._body = {"metadata": {"name": "exchange", "namespace": "files"}, "spec": spec}

    async def get(self, *_: object) -> dict[str, Any]:
        return self._body


@pytest.mark.parametrize(
    ("operator", "spec"), [("", {"operatorClass": "a"}), ("a", {}), ("a", {"operatorClass": "b"})], ids=str
)
def test_a_server_of_another_class_is_not_even_told_so(operator: str, spec: dict[str, Any]):
    cache: Any = Cache(spec)
    secrets: SecretPoll[Key] = SecretPoll(get_version=cache.get, on_change=print, pause=lambda _: None)
    reconcile = Reconciler(
        cache=cache,
        settings=Settings(server_image="s", operator_class=operator),
        events=EventRecorder(cache, instance="me"),
        named_secrets=secrets,
        own_secrets=secrets,
        metrics=Metrics(),
    )
    assert asyncio.run(reconcile(KEY)) is None
