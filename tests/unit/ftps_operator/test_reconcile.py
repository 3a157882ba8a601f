"""What a reconcile does is tested on the cluster; here is what it does not do."""

import asyncio
import datetime
from typing import Any

import pytest

from ftps_operator.certificates import CertificateFacts
from ftps_operator.desired.plan import Served
from ftps_operator.events import EventRecorder
from ftps_operator.gather import named_secrets
from ftps_operator.metrics import Metrics
from ftps_operator.observed import Observed
from ftps_operator.reconcile import RETRY_ISSUING_SECONDS, Reconciler
from ftps_operator.secretpoll import SecretPoll
from ftps_operator.serverusers import ServerUsers
from ftps_operator.settings import Settings
from ftps_operator.status import Findings
from ftps_operator.statuswriter import StatusWriter
from ftps_operator.userwriter import UserStatusWriter
from ftps_operator.workqueue import Key
from support.samples import NOW, server

DAY = datetime.timedelta(days=1)
SELF_SIGNED = {"selfSigned": {}}
ISSUED = {"certManager": {"issuerRef": {"name": "ca"}, "dnsNames": ["ftps.example.com"]}}
KEY = Key("files", "exchange")


class Cache:
    """Holds one server, and has no other method: whatever else is asked for, or written, fails the test."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._body = {"metadata": {"name": "exchange", "namespace": "files"}, "spec": spec}

    async def get(self, *_: object) -> dict[str, Any]:
        return self._body


def reconciler(
    cache: Any = None,
    *,
    settings: Settings | None = None,
    age: datetime.timedelta = datetime.timedelta(),
) -> Reconciler:
    """One so long after NOW."""
    settings = settings or Settings(server_image="s")
    secrets: SecretPoll[Key] = SecretPoll(get=cache, get_version=cache, on_change=print, pause=lambda _: None)
    write_status = StatusWriter(cache=cache, events=EventRecorder(cache, instance="me"), metrics=Metrics())
    writer = UserStatusWriter(cache=cache, write_status=write_status, add=print)
    return Reconciler(
        cache=cache,
        settings=settings,
        write_status=write_status,
        users=ServerUsers(settings=settings, cache=cache, secrets=secrets, writer=writer),
        named_secrets=secrets,
        own_secrets=secrets,
        metrics=Metrics(),
        now=lambda: NOW + age,
    )


@pytest.mark.parametrize(
    ("operator", "spec"), [("", {"operatorClass": "a"}), ("a", {}), ("a", {"operatorClass": "b"})], ids=str
)
def test_a_server_of_another_class_is_not_even_told_so(operator: str, spec: dict[str, Any]):
    reconcile = reconciler(Cache(spec), settings=Settings(server_image="s", operator_class=operator))
    assert asyncio.run(reconcile(KEY)) is None


def comes_back(*, days: int, age: int, **tls: Any) -> float | None:
    """In how many days a server with such a certificate is looked at again."""
    facts = CertificateFacts(NOW, NOW + days * DAY, "CN=ca", "ab", frozenset())
    seconds = reconciler(age=age * DAY)._come_back(server(tls=tls), Findings(served=Served(facts)))
    return None if seconds is None else seconds / DAY.total_seconds()


def test_a_server_is_looked_at_when_its_certificate_is_due_ends_soon_and_has_ended():
    assert comes_back(days=90, age=0, selfSigned={}) == 60
    assert comes_back(days=90, age=0, secretName="mine") == 76
    assert comes_back(days=90, age=80, secretName="mine") == 10
    assert comes_back(days=90, age=100, secretName="mine") is None


def test_a_server_whose_certificate_is_not_issued_is_looked_at_soon():
    assert reconciler()._come_back(server(), Findings(not_issued="no issuer")) == RETRY_ISSUING_SECONDS


@pytest.mark.parametrize(
    ("tls", "count"), [(SELF_SIGNED, 2), (ISSUED, 1), ({"secretName": "mine"}, 1), ({"secretName": "exchange-tls"}, 1)]
)
def test_of_its_own_secrets_those_are_watched_that_nothing_else_tells_of(tls: dict[str, Any], count: int):
    reconcile = reconciler()
    reconcile._watch_own_secrets(KEY, server(tls=tls), Observed())
    assert len(reconcile._own_secrets) == count


@pytest.mark.parametrize("name", ["mine", "exchange-tls"])
def test_a_certificate_that_somebody_keeps_is_watched_as_theirs_whatever_its_name(name: str):
    assert named_secrets(server(tls={"secretName": name})) == {name}
