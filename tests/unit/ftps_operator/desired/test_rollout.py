from typing import Any

import pytest

from ftps_operator.constants import PORTS_ANNOTATION, SHARD_LABEL, TEMPLATE_ANNOTATION
from ftps_operator.desired.rollout import choose_ports, is_outdated, is_served, surplus_shard
from ftps_operator.models import FtpsServer
from ftps_operator.naming import shard_name
from ftps_operator.observed import Observed
from support.samples import owned, server

SERVER = server(replicas=2, passive={"firstPort": 50000, "portsPerReplica": 4, "maxReplicas": 3})
ONE, OTHER = range(50000, 50002), range(50002, 50004)
NEXT_ONE = range(50004, 50006)
OLD, NEW = "old", "new"


def span(ports: range) -> str:
    return f"{ports[0]}-{ports[-1]}"


def pod(ports: range, *, template: str = OLD, ordinal: int = 0, serves: bool = True, ends: bool = False) -> Any:
    meta: dict[str, Any] = {
        "name": f"pod-{ports[0]}-{template}",
        "labels": {SHARD_LABEL: str(ordinal)},
        "annotations": {PORTS_ANNOTATION: span(ports), TEMPLATE_ANNOTATION: template},
    }
    if ends:
        meta["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    return {"metadata": meta, "status": {"containerStatuses": [{"started": serves, "state": {"running": {}}}]}}


def shard(ports: range, *, ordinal: int = 0, template: str = OLD, settled: bool = True) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": shard_name("exchange", ordinal),
            "ownerReferences": [{"controller": True, "uid": "uid-1"}],
        },
        "spec": {
            "replicas": 1,
            "template": {
                "metadata": {"annotations": {PORTS_ANNOTATION: span(ports), TEMPLATE_ANNOTATION: template}},
            },
        },
    }
    ready = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    return owned(SERVER, manifest, status=ready if settled else {"observedGeneration": 1, "replicas": 2})


def cluster(*shards: dict[str, Any], pods: tuple[Any, ...] = ()) -> Observed:
    observed = Observed(pods=pods)
    for each in shards:
        observed = observed.with_object(each)
    return observed


BESIDE = shard(NEXT_ONE, ordinal=1)


@pytest.mark.parametrize(
    ("observed", "wanted", "ports"),
    [
        pytest.param(cluster(), NEW, ONE, id="a new shard begins with the first half"),
        pytest.param(cluster(shard(OTHER), pods=(pod(OTHER),)), OLD, OTHER, id="what stays keeps its ports"),
        pytest.param(cluster(shard(ONE), BESIDE, pods=(pod(ONE),)), NEW, OTHER, id="a change takes the other half"),
        pytest.param(cluster(shard(OTHER), BESIDE, pods=(pod(OTHER),)), NEW, ONE, id="and the next one goes back"),
        pytest.param(
            cluster(shard(OTHER), BESIDE, pods=(pod(ONE, ends=True), pod(OTHER))),
            NEW,
            None,
            id="it waits while the pod before the last has sessions",
        ),
        pytest.param(
            cluster(shard(OTHER, template="broken", settled=False), BESIDE, pods=(pod(ONE), pod(OTHER, serves=False))),
            NEW,
            OTHER,
            id="a pod that never served is in nobody's way",
        ),
        pytest.param(
            cluster(shard(OTHER, template="broken", settled=False), BESIDE, pods=(pod(ONE), pod(OTHER, serves=False))),
            OLD,
            ONE,
            id="a change that is taken back leaves the pod that serves",
        ),
        pytest.param(
            cluster(shard(ONE), shard(NEXT_ONE, ordinal=1, settled=False), pods=(pod(ONE),)),
            NEW,
            None,
            id="a shard waits for its turn",
        ),
        pytest.param(
            cluster(shard(ONE, settled=False), shard(NEXT_ONE, ordinal=1, settled=False), pods=(pod(ONE),)),
            NEW,
            OTHER,
            id="a broken shard waits for nobody",
        ),
        pytest.param(
            cluster(shard(ONE), BESIDE, pods=(pod(ONE, ends=True), pod(ONE, serves=False))),
            OLD,
            OTHER,
            id="who takes an evicted pod's place gets the other half",
        ),
        pytest.param(
            cluster(shard(ONE), BESIDE, pods=(pod(ONE, ends=True), pod(ONE))),
            OLD,
            ONE,
            id="unless it serves already",
        ),
        pytest.param(
            cluster(pods=(pod(ONE, ends=True),)),
            OLD,
            OTHER,
            id="a shard that comes back leaves the ports to the pod that still ends",
        ),
        pytest.param(cluster(pods=(pod(ONE, ordinal=1),)), OLD, ONE, id="other shards' pods do not matter"),
    ],
)
def test_the_ports_of_the_next_pods(observed: Observed, wanted: str, ports: range | None):
    assert choose_ports(SERVER, observed, 0, wanted) == ports


@pytest.mark.parametrize(
    ("pods", "served"),
    [
        ((pod(ONE),), True),
        ((pod(ONE, ends=True), pod(OTHER)), True),
        ((pod(ONE, ends=True), pod(ONE, serves=False)), False),
        ((pod(ONE, ordinal=1),), False),
        ((), False),
    ],
)
def test_a_rollout_keeps_a_pod_that_serves_and_is_to_stay(pods: tuple[Any, ...], served: bool):
    assert is_served(cluster(pods=pods), 0) is served


def test_a_shard_is_outdated_until_its_deployment_has_the_template():
    assert is_outdated(SERVER, cluster(shard(ONE)), 0, NEW)
    assert is_outdated(SERVER, cluster(), 0, NEW)
    assert not is_outdated(SERVER, cluster(shard(ONE, template=NEW)), 0, NEW)


ALONE = server(passive={"firstPort": 50000, "portsPerReplica": 4, "maxReplicas": 3})


@pytest.mark.parametrize(
    ("made", "observed", "surplus"),
    [
        (SERVER, cluster(shard(ONE), BESIDE), None),
        (ALONE, cluster(shard(ONE), BESIDE, shard(ONE, ordinal=2)), "exchange-2"),
        (ALONE, cluster(shard(ONE), BESIDE), "exchange-1"),
        (ALONE, cluster(shard(ONE), BESIDE, pods=(pod(ONE, ordinal=2, ends=True),)), None),
        (ALONE, cluster(shard(ONE), pods=(pod(ONE),)), None),
    ],
)
def test_of_too_many_shards_the_highest_goes_first_and_the_next_when_its_pod_is_gone(
    made: FtpsServer, observed: Observed, surplus: str | None
):
    assert surplus_shard(made, observed) == surplus
