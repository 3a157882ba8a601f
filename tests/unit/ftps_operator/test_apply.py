import asyncio
from typing import Any

import pytest
from prometheus_client import generate_latest

from ftps_operator.apply import RejectedError, apply_all, leftovers
from ftps_operator.desired.plan import Inputs
from ftps_operator.errors import ConflictError, InvalidError
from ftps_operator.kinds import NETWORK_POLICY, PERSISTENT_VOLUME_CLAIM, SECRET, SERVICE_ACCOUNT, Kind
from ftps_operator.metrics import Metrics
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata
from ftps_operator.observed import Observed
from support.prometheus import Scrape
from support.samples import NOBODY, NOW, manifests, owned, server

MADE = server()
INPUTS = Inputs(credentials=NOBODY, default_image="ftps-server:1", now=NOW)
CLAIM = {"persistentVolumeClaim": {"size": "1Gi", "deletionPolicy": "Delete"}}


def owned_fields(value: Any) -> dict[str, Any]:
    """As if every list were atomic."""
    return {f"f:{key}": owned_fields(child) for key, child in value.items()} if isinstance(value, dict) else {}


class Cluster:
    """Applies, and counts what it is asked."""

    def __init__(self) -> None:
        self.written: list[str] = []

    async def apply(self, manifest: Manifest) -> Manifest:
        self.written.append(manifest["kind"])
        fields = owned_fields({key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")})
        ours = {"manager": "ftps-operator", "operation": "Apply", "fieldsV1": fields}
        meta = {"uid": f"uid-{len(self.written)}", "resourceVersion": "1", "managedFields": [ours]}
        return manifest | {"metadata": manifest["metadata"] | meta}


def test_only_what_is_missing_is_made(monkeypatch: pytest.MonkeyPatch):
    """Said with a version that no object has had."""
    versions = []
    apply = Cluster.apply

    async def noting(self: Cluster, manifest: Manifest) -> Manifest:
        versions.append(manifest["metadata"].get("resourceVersion"))
        return await apply(self, manifest)

    monkeypatch.setattr(Cluster, "apply", noting)
    observed, *_ = put_into_effect(Observed())
    assert set(versions) == {"1"}
    observed.objects[NETWORK_POLICY, "exchange"]["metadata"]["annotations"].clear()
    versions.clear()
    put_into_effect(observed)
    assert versions == [None]


def put_into_effect(observed: Observed, *, settled: bool = False) -> tuple[Observed, list[str], Scrape]:
    cluster, metrics = Cluster(), Metrics()
    after = asyncio.run(
        apply_all(cluster, MADE, observed, INPUTS, settled=settled, metrics=metrics)  # type: ignore[arg-type]
    )
    return after, cluster.written, Scrape(generate_latest(metrics.registry).decode())


def test_what_is_missing_is_written_and_is_no_drift_while_the_server_is_being_made():
    _, written, metrics = put_into_effect(Observed())
    assert written[0] == "NetworkPolicy"
    assert metrics.sum("ftps_operator_apply_operations_total") == len(written)
    assert metrics.sum("ftps_operator_drift_corrected_total") == 0


def test_what_is_there_is_not_written_again():
    observed, *_ = put_into_effect(Observed())
    assert put_into_effect(observed)[1] == []


def test_what_somebody_has_changed_is_written_again_and_counted():
    observed, *_ = put_into_effect(Observed())
    edited = observed.objects[NETWORK_POLICY, "exchange"]
    del edited["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:ingress"]
    _, written, metrics = put_into_effect(observed)
    assert written == ["NetworkPolicy"]
    assert metrics.sum("ftps_operator_drift_corrected_total", kind="NetworkPolicy") == 1


def test_what_somebody_has_deleted_is_written_again_and_counted():
    observed, *_ = put_into_effect(Observed())
    _, written, metrics = put_into_effect(observed.without(NETWORK_POLICY, "exchange"), settled=True)
    assert written == ["NetworkPolicy"]
    assert metrics.sum("ftps_operator_drift_corrected_total", kind="NetworkPolicy") == 1


def test_another_wish_is_no_drift():
    observed, *_ = put_into_effect(Observed())
    live = observed.objects[NETWORK_POLICY, "exchange"]
    live["metadata"]["annotations"]["ftps-operator.io/applied"] = "of another spec"
    _, written, metrics = put_into_effect(observed)
    assert written == ["NetworkPolicy"]
    assert metrics.sum("ftps_operator_drift_corrected_total") == 0


class Refusing:
    """Refuses to change one kind of object, and notes what is deleted."""

    def __init__(self, kind: str, words: str) -> None:
        self._kind = kind
        self._words = words
        self.deleted: list[tuple[str, str, str]] = []

    async def apply(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] == self._kind:
            raise InvalidError(self._words)
        return owned(server(), manifest)

    async def delete(self, kind: Kind, _: str, name: str, *, uid: str) -> None:
        self.deleted.append((kind.kind, name, uid))

    async def annotate(self, *_: object) -> None:
        raise AssertionError


def everything_of(made: FtpsServer) -> Observed:
    observed = Observed()
    for manifest in manifests(made, Observed()).values():
        observed = observed.with_object(owned(made, manifest))
    return observed


def apply_with(writer: Refusing, made: FtpsServer) -> None:
    asyncio.run(apply_all(writer, made, everything_of(made), INPUTS, settled=False, metrics=Metrics()))


def test_what_cannot_change_is_deleted_and_the_reconcile_starts_again():
    writer = Refusing("ConfigMap", "data: Forbidden: field is immutable when `immutable` is set")
    with pytest.raises(ConflictError, match="is made anew"):
        apply_with(writer, server())
    assert writer.deleted == [("ConfigMap", "exchange-config", "uid-child")]


def test_what_would_be_lost_is_not_deleted():
    writer = Refusing("Service", "spec.loadBalancerClass: may not change once set")
    with pytest.raises(RejectedError) as caught:
        apply_with(writer, server())
    assert caught.value.manifest["kind"] == "Service"
    assert writer.deleted == []


def named(before: dict[str, Any], after: dict[str, Any], kind: Kind, name: str) -> bool:
    """Whether an object made for one spec is left over with another."""
    was = server(**before)
    live = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata(was, name)}
    observed = Observed(objects={(kind, name): owned(was, live)})
    return (kind, name) in leftovers(server(**after), set(), observed)


def test_files_are_never_left_over():
    for after in ({"storage": {"existingClaim": "exchange-data"}}, {"storage": {"emptyDir": {}}}):
        assert not named({"storage": CLAIM}, after, PERSISTENT_VOLUME_CLAIM, "exchange-data")


def test_what_was_ours_is_not_left_over_when_the_spec_names_it_as_somebody_s_own():
    self_signed, theirs = {"tls": {"selfSigned": {}}}, {"tls": {"secretName": "exchange-tls"}}
    assert not named(self_signed, theirs, SECRET, "exchange-tls")
    assert named(self_signed, {"tls": {"secretName": "other"}}, SECRET, "exchange-tls")
    assert not named({}, {"serviceAccountName": "exchange"}, SERVICE_ACCOUNT, "exchange")
    assert named({}, {"serviceAccountName": "other"}, SERVICE_ACCOUNT, "exchange")
