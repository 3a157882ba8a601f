"""Several replicas behind one address: each passive port reaches its own pod, and none that ends cuts a transfer."""

import io
import re
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from support.ftps import Ftps
from support.polling import eventually
from support.servers import HOST, PASSWORD, Namespace, condition, ftps_server, password_secret
from support.target import Target
from testbed import Cluster

FIRST_PORT, PORTS_PER_REPLICA, MOST = 40000, 4, 4
LISTINGS = 40
DRAIN_SECONDS = 30
CROWD = 64
AUTOSCALER_SECONDS = 90
"""The autoscaler looks every 15 s."""
STORAGES: dict[str, dict[str, Any]] = {
    "shared by nodes": {"persistentVolumeClaim": {"size": "1Gi", "accessModes": ["ReadWriteMany"]}},
    "of one node": {"persistentVolumeClaim": {"size": "1Gi"}},
    "of each pod": {"emptyDir": {}},
}


@pytest.fixture(scope="module", params=STORAGES)
def target(request: pytest.FixtureRequest, operator: Cluster, namespace: Namespace) -> Iterator[Target]:
    name = request.param.replace(" ", "-")
    namespace.apply(
        password_secret("alice"),
        ftps_server(
            name,
            users=("alice",),
            tls={"certManager": {"issuerRef": operator.issuer, "dnsNames": [HOST]}},
            service={"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"},
            storage=STORAGES[request.param],
            passive={"firstPort": FIRST_PORT, "portsPerReplica": PORTS_PER_REPLICA, "maxReplicas": MOST},
            terminationGracePeriodSeconds=DRAIN_SECONDS,
        ),
    )
    yield Target(operator, namespace, name)
    namespace.delete("ftpsserver", name)


def login(target: Target) -> Ftps:
    session = target.session()
    session.login("alice", PASSWORD)
    session.prot_p()
    return session


def shard_listed_by(session: Ftps) -> int:
    """The shard whose port a listing came through."""
    session.nlst()
    assert session.passive_port is not None
    return (session.passive_port - FIRST_PORT) // PORTS_PER_REPLICA


def scale(target: Target, replicas: int) -> None:
    target.namespace.kubectl("scale", "ftpsserver", target.name, f"--replicas={replicas}")
    status = target.namespace.wait_ready(target.name)["status"]
    assert (status["replicas"], status["readyReplicas"]) == (replicas, replicas)


def deployments(target: Target) -> list[str]:
    found = target.namespace.objects("deployments", f"ftps-operator.io/server={target.name}")
    return sorted(each["metadata"]["name"] for each in found)


def test_a_horizontal_pod_autoscaler_scales_a_server(operator: Cluster, namespace: Namespace):
    """By its limits alone, for which it needs no metrics."""
    limits = [(2, 3, 2), (1, 1, 1)]
    passive = {"portsPerReplica": PORTS_PER_REPLICA, "maxReplicas": MOST}
    namespace.apply(ftps_server("autoscaled", storage=STORAGES["of each pod"], passive=passive))
    for least, most, wanted in limits:
        target = {"apiVersion": "ftps-operator.io/v1alpha1", "kind": "FtpsServer", "name": "autoscaled"}
        spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most}
        meta = {"name": "autoscaled"}
        namespace.apply(
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
        )

        def replicas() -> tuple[int, int]:
            found = namespace.server("autoscaled")
            return found["spec"]["replicas"], found["status"]["readyReplicas"]

        eventually(lambda expected=(wanted, wanted): replicas() == expected, seconds=AUTOSCALER_SECONDS)
    namespace.delete("hpa", "autoscaled")
    namespace.delete("ftpsserver", "autoscaled")


def test_four_shards_answer_each_on_its_own_ports(target: Target):
    scale(target, MOST)
    used: Counter[int] = Counter()
    for _ in range(LISTINGS):
        with login(target) as session:
            shards = {shard_listed_by(session) for _ in range(3)}
        assert len(shards) == 1  # a session stays in its pod
        used.update(shards)
    assert sum(used.values()) == LISTINGS
    assert set(used) == set(range(MOST))


def test_scaling_down_ends_the_highest_shards_when_their_transfers_have_ended(target: Target):
    scale(target, MOST)
    with ExitStack() as stack:
        session = next(session for session in sessions(target, stack) if shard_listed_by(session) == MOST - 1)
        connection = session.transfercmd("STOR last.bin")
        target.namespace.kubectl("scale", "ftpsserver", target.name, "--replicas=1")
        eventually(lambda: f"{target.name}-{MOST - 1}" not in deployments(target), seconds=10)
        # What it has it keeps: the transfer that is open, and the listings of its session.
        connection.sendall(b"x" * 100_000)
        connection.unwrap()
        connection.close()
        assert session.voidresp().startswith("226")
        session.voidcmd("TYPE I")
        assert session.size("last.bin") == 100_000
        assert shard_listed_by(session) == MOST - 1
        # One after the other: those below it go on.
        assert f"{target.name}-{MOST - 2}" in deployments(target)
    eventually(lambda: deployments(target) == [f"{target.name}-0"], seconds=4 * DRAIN_SECONDS)
    status = target.namespace.wait_ready(target.name)["status"]
    assert status["replicas"] == 1


def sessions(target: Target, stack: ExitStack) -> Iterator[Ftps]:
    """One session after the other, all of them open until the end."""
    for _ in range(LISTINGS):
        yield stack.enter_context(login(target))


def test_more_replicas_than_the_range_has_room_for_are_refused(target: Target):
    refused = target.namespace.kubectl(
        "patch", "ftpsserver", target.name, "--type=merge", "-p", f'{{"spec": {{"replicas": {MOST + 1}}}}}', check=False
    )
    assert refused == ""
    assert target.namespace.server(target.name)["spec"].get("replicas", 1) <= MOST


def test_the_scale_subresource_tells_an_autoscaler_what_it_needs(target: Target):
    scale(target, 2)
    path = f"/apis/ftps-operator.io/v1alpha1/namespaces/{target.namespace.name}/ftpsservers/{target.name}/scale"
    text = target.namespace.cluster.kubectl("get", "--raw", path)
    assert re.search(r'"spec":\{"replicas":2\}', text)
    assert re.search(r'"status":\{"replicas":2,"selector":"[^"]*ftps-operator.io/server=', text)
    assert condition(target.namespace.server(target.name), "Available")["message"] == "2 of 2 replicas are available"


def test_two_shared_ports_a_replica_serve_64_sessions_whose_addresses_are_hidden(
    operator: Cluster, namespace: Namespace
):
    name = "crowded"
    namespace.apply(
        password_secret("alice"),
        ftps_server(
            name,
            users=("alice",),
            tls={"certManager": {"issuerRef": operator.issuer, "dnsNames": [HOST]}},
            service={"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"},
            storage={"persistentVolumeClaim": {"size": "1Gi", "accessModes": ["ReadWriteMany"]}},
            passive={"firstPort": FIRST_PORT, "portsPerReplica": 2, "maxReplicas": 2, "sharedPorts": True},
            replicas=2,
        ),
    )
    target = Target(operator, namespace, name)
    together = threading.Barrier(CROWD)

    def exchange(number: int) -> tuple[int | None, bool]:
        content, back = secrets.token_bytes(100_000), io.BytesIO()
        with login(target) as session:
            together.wait(60)
            session.storbinary(f"STOR {number}.bin", io.BytesIO(content))
            session.retrbinary(f"RETR {number}.bin", back.write)
            return session.passive_port, back.getvalue() == content

    with ThreadPoolExecutor(CROWD) as threads:
        outcomes = list(threads.map(exchange, range(CROWD)))
    assert [whole for _, whole in outcomes] == [True] * CROWD
    assert len({port for port, _ in outcomes}) == 2  # one of each replica
    namespace.delete("ftpsserver", name)
