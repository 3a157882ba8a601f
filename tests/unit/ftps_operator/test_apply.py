import asyncio
from typing import Any

from prometheus_client import generate_latest

from ftps_operator.apply import apply_all
from ftps_operator.desired.plan import Inputs
from ftps_operator.kinds import NETWORK_POLICY
from ftps_operator.metrics import Metrics
from ftps_operator.naming import Manifest
from ftps_operator.observed import Observed
from support.prometheus import Scrape
from support.samples import NOBODY, NOW, server

MADE = server()
INPUTS = Inputs(credentials=NOBODY, default_image="ftps-server:1", now=NOW)


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
