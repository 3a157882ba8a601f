"""What ends a pod on purpose cuts no transfer: a change of the server, of its image, a node that is drained."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.polling import eventually
from support.servers import HOST, Namespace, condition, ftps_server, password_secret
from support.target import Target
from support.traffic import Figures, traffic
from testbed import Cluster
from testbed.interface import EmbeddedCluster

NAME = "exchange"
GRACE_SECONDS = 120
SHARDS = 2


@pytest.fixture(scope="module")
def target(operator: Cluster, namespace: Namespace) -> Target:
    certificate: dict[str, Any] = {"issuerRef": operator.issuer, "dnsNames": [HOST]}
    namespace.apply(
        password_secret("alice"),
        ftps_server(
            NAME,
            users=("alice",),
            tls={"certManager": certificate},
            service={"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"},
            storage={"persistentVolumeClaim": {"size": "1Gi", "accessModes": ["ReadWriteMany"]}},
            replicas=SHARDS,
            terminationGracePeriodSeconds=GRACE_SECONDS,
        ),
    )
    status = namespace.wait_ready(NAME)["status"]
    certificate["ipAddresses"] = [status["address"]]  # lftp checks what it connects to
    namespace.patch("ftpsserver", NAME, {"spec": {"tls": {"certManager": certificate}}})
    made = Target(operator, namespace, NAME)
    # By every pod.
    eventually(
        lambda: all(made.lftp("implicit", "ls").returncode == 0 for _ in range(8)),
        seconds=60,
        what="the new certificate",
    )
    return made


def pods(target: Target) -> dict[str, dict[str, Any]]:
    found = target.namespace.objects("pods", f"ftps-operator.io/server={NAME}")
    return {pod["metadata"]["name"]: pod for pod in found}


def is_ready(pod: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def wait_for_traffic(figures: Figures, more: int) -> None:
    """So many transfers more."""
    goal = sum(figures.transfers.values()) + more
    eventually(lambda: figures.failures or sum(figures.transfers.values()) >= goal, seconds=60)


def wait_for_new_pods(target: Target, before: set[str]) -> None:
    """All of them are new, and Ready."""

    def look() -> bool:
        alive = {name: pod for name, pod in pods(target).items() if "deletionTimestamp" not in pod["metadata"]}
        return not before & alive.keys() and len(alive) == SHARDS and all(map(is_ready, alive.values()))

    eventually(look, seconds=120, what="new pods")
    target.namespace.wait_ready(NAME)


def shown(figures: Figures, target: Target) -> None:
    print(figures)  # noqa: T201 - for who wants to know how much it was
    assert not figures.failures, "\n".join([*figures.failures, *troubles(target)])
    assert figures.listings > 0


def troubles(target: Target) -> list[str]:
    """What the pods say of sessions that did not go well."""
    words = ("logs", "--selector", f"ftps-operator.io/server={NAME}", "--tail=-1", "--prefix")
    lines = target.namespace.kubectl(*words).splitlines()
    return [line for line in lines if '"level": "warning"' in line or '"aborted"' in line]


def test_a_changed_spec_replaces_the_pods_one_shard_at_a_time_and_cuts_nothing(target: Target, tmp_path: Path):
    before = set(pods(target))
    with traffic(target, tmp_path) as figures:
        wait_for_traffic(figures, 40)
        target.namespace.patch("ftpsserver", NAME, {"spec": {"podAnnotations": {"change": str(time.time())}}})
        unready: set[int] = set()

        def look() -> bool:
            now = pods(target)
            unready.add(sum(not is_ready(pod) for pod in now.values() if "deletionTimestamp" not in pod["metadata"]))
            return not before & {name for name, pod in now.items() if "deletionTimestamp" not in pod["metadata"]}

        eventually(look, seconds=120, what="new pods")
        wait_for_new_pods(target, before)
        assert max(unready) == 1
        wait_for_traffic(figures, 40)
    shown(figures, target)


def test_a_changed_image_cuts_nothing(embedded: EmbeddedCluster, target: Target, tmp_path: Path):
    before = set(pods(target))
    image = embedded.image("ftps-server")
    embedded.tag_image(image, f"{image}-other")
    with traffic(target, tmp_path) as figures:
        wait_for_traffic(figures, 40)
        target.namespace.patch("ftpsserver", NAME, {"spec": {"image": f"{image}-other"}})
        wait_for_new_pods(target, before)
        wait_for_traffic(figures, 40)
    shown(figures, target)


def test_a_drained_node_cuts_nothing(embedded: Cluster, target: Target, tmp_path: Path, drained: str):
    before = {name for name, pod in pods(target).items() if pod["spec"]["nodeName"] == drained}
    assert before
    words = (
        "drain",
        drained,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        "--pod-selector=ftps-operator.io/server",
    )
    # It waits for the pods to end, which they do when the session that stays open has ended.
    with ThreadPoolExecutor(1) as beside:
        with traffic(target, tmp_path) as figures:
            wait_for_traffic(figures, 40)
            draining = beside.submit(embedded.kubectl, *words)

            def have_moved() -> bool:
                alive = [pod for pod in pods(target).values() if "deletionTimestamp" not in pod["metadata"]]
                return len(alive) == SHARDS and all(pod["spec"].get("nodeName") != drained for pod in alive)

            eventually(have_moved, seconds=GRACE_SECONDS, what="the pods have moved")
            target.namespace.wait_ready(NAME)
            wait_for_traffic(figures, 40)
        draining.result()
    shown(figures, target)


@pytest.fixture
def drained(embedded: Cluster, target: Target) -> Iterator[str]:
    """A node with one of the shards, to be drained; both have some, or all are on one."""
    nodes = embedded.kubectl("get", "nodes", "-o", "name").split()
    if len(nodes) < 2:
        pytest.skip("needs a second node to move to")
    node = next(iter(pods(target).values()))["spec"]["nodeName"]
    yield node
    embedded.kubectl("uncordon", node)


def test_a_new_pod_that_never_gets_ready_stops_the_rollout_and_the_old_ones_serve(target: Target, tmp_path: Path):
    eventually(lambda: len(pods(target)) == SHARDS, seconds=GRACE_SECONDS, what="no pod ends")
    before, image = set(pods(target)), target.namespace.server(NAME)["spec"].get("image")
    target.namespace.patch("ftpsserver", NAME, {"spec": {"image": "registry.invalid/no-such-image:1"}})

    def look() -> bool:
        ready = condition(target.namespace.server(NAME), "Ready")
        return ready["status"] == "False" and "no-such-image" in ready["message"]

    eventually(look, seconds=60, what="the status tells of the image")
    assert before <= set(pods(target))
    new = [pod for name, pod in pods(target).items() if name not in before]
    assert len(new) == 1  # of one shard; the other waits
    assert condition(target.namespace.server(NAME), "Available")["status"] == "True"
    assert target.curl("implicit", "").returncode == 0
    # Going back replaces nothing that serves.
    target.namespace.patch("ftpsserver", NAME, {"spec": {"image": image}})
    target.namespace.wait_ready(NAME)
    assert before == {name for name, pod in pods(target).items() if "deletionTimestamp" not in pod["metadata"]}
