"""The operator reads from its watches, and writes nothing that is there already."""

import time
from collections.abc import Callable

import pytest
import yaml

from support.polling import eventually
from support.prometheus import Scrape
from support.samples import EVERYTHING
from support.servers import Namespace, condition, ftps_server, password_secret, temporary_namespace
from testbed import Cluster
from testbed.install import NAMESPACE, RELEASE
from testbed.paths import CHECKOUT

WRITES = ("PATCH", "POST", "DELETE")
"""PUT is the lease's."""
EXAMPLES = sorted((CHECKOUT / "docs" / "examples").glob("*.yaml"))


def leader(cluster: Cluster) -> str:
    return cluster.kubectl("get", "lease", RELEASE, "-n", NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}")


def scrape(cluster: Cluster) -> Scrape:
    """The metrics of the operator that leads."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{leader(cluster)}:8080/proxy/metrics"
    return Scrape(cluster.kubectl("get", "--raw", path))


def reconciles(cluster: Cluster) -> float:
    return scrape(cluster).sum("ftps_operator_reconcile_operations_total")


def writes(cluster: Cluster) -> float:
    found = scrape(cluster)
    return sum(found.sum("rest_client_requests_total", method=method) for method in WRITES)


def is_quiet(cluster: Cluster, stir: Callable[[], None]) -> bool:
    """Have a server looked at. Whether nothing was written then."""
    done, written = reconciles(cluster), writes(cluster)
    stir()
    eventually(lambda: reconciles(cluster) > done, seconds=10)
    return writes(cluster) == written


def touch(namespace: Namespace, name: str) -> Callable[[], None]:
    turns = iter(range(1000))

    def stir() -> None:
        namespace.kubectl("annotate", "ftpsserver", name, f"example.com/turn={next(turns)}", "--overwrite")

    return stir


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_second_look_at_an_example_writes_nothing(operator: Cluster, example):
    documents = list(yaml.safe_load_all(example.read_text()))
    namespaces = [each["metadata"]["name"] for each in documents if each["kind"] == "Namespace"]
    with temporary_namespace(operator, "scale") as made:
        try:
            operator.kubectl("apply", "-f", str(example), *(() if namespaces else ("-n", made.name)))
            for document in documents:
                if document["kind"] == "FtpsServer":
                    meta = document["metadata"]
                    namespace, name = Namespace(operator, meta.get("namespace", made.name)), meta["name"]
                    namespace.wait_ready(name)
                    stir = touch(namespace, name)
                    eventually(lambda stir=stir: is_quiet(operator, stir), seconds=30)
        finally:
            if namespaces:
                operator.kubectl("delete", "namespace", *namespaces, "--ignore-not-found")


def test_a_second_look_at_a_server_with_every_field_writes_nothing(operator: Cluster, namespace: Namespace):
    server = yaml.safe_load(EVERYTHING.read_text())
    # The rest is as in the file; without an image that can be had its pods would go on failing, each time another way.
    del server["spec"]["operatorClass"]
    server["spec"]["nodeSelector"] = {"kubernetes.io/os": "none"}
    server["spec"]["tls"]["certManager"]["issuerRef"] = operator.issuer
    server["spec"]["tls"]["certManager"] |= {"dnsNames": ["ftp.example.com"]}
    namespace.apply(server, password_secret("partners"))

    def is_made() -> bool:
        found = namespace.server("everything")
        return condition(found, "CertificateReady")["status"] == "True" and bool(namespace.get("service", "everything"))

    eventually(is_made, seconds=60)
    eventually(lambda: is_quiet(operator, touch(namespace, "everything")), seconds=30)
    namespace.delete("ftpsserver", "everything")


def test_drift_is_counted_and_mended_with_one_write(operator: Cluster, namespace: Namespace):
    namespace.apply(ftps_server("edited"))
    namespace.wait_ready("edited")
    eventually(lambda: is_quiet(operator, touch(namespace, "edited")), seconds=30)
    before = scrape(operator)
    namespace.patch("networkpolicy", "edited", {"spec": {"ingress": [{}]}})
    eventually(
        lambda: (
            scrape(operator).sum("ftps_operator_drift_corrected_total", kind="NetworkPolicy")
            == before.sum("ftps_operator_drift_corrected_total", kind="NetworkPolicy") + 1
        ),
        seconds=10,
    )
    assert scrape(operator).sum("ftps_operator_apply_operations_total", kind="Deployment") == before.sum(
        "ftps_operator_apply_operations_total", kind="Deployment"
    )


def restart(operator: Cluster) -> None:
    """Have another process lead, and wait until it has looked at every server."""
    before = leader(operator)
    operator.kubectl("rollout", "restart", "deployment", RELEASE, "-n", NAMESPACE)
    operator.kubectl("rollout", "status", "deployment", RELEASE, "-n", NAMESPACE, "--timeout=60s")
    servers = len(operator.kubectl("get", "ftpsservers", "-A", "-o", "name").split())

    def is_synced() -> bool:
        if leader(operator) in ("", before):
            return False
        found = scrape(operator)
        return (
            found.sum("ftps_operator_managed_resources", resource="FtpsServer") == servers
            and found.sum("ftps_operator_reconcile_operations_total") >= servers
            and found.sum("workqueue_depth") == 0
        )

    eventually(is_synced, seconds=40)


def test_a_restarted_operator_writes_nothing(operator: Cluster, namespace: Namespace):
    namespace.apply(ftps_server("restarted"))
    namespace.wait_ready("restarted")
    restart(operator)
    assert writes(operator) == 0


def test_an_idle_operator_asks_at_most_once_a_second(operator: Cluster, namespace: Namespace):
    namespace.apply(password_secret("alice"), ftps_server("idle", users=("alice",)))
    namespace.wait_ready("idle")
    # Or it would look for five minutes more often at what has changed.
    restart(operator)
    counts: list[tuple[float, float]] = []

    def is_quiet_for_half_a_minute() -> bool:
        counts.append((time.monotonic(), scrape(operator).sum("rest_client_requests_total")))
        now, asked = counts[-1]
        return any(now - at >= 30 and asked - before <= now - at for at, before in counts)

    eventually(is_quiet_for_half_a_minute, seconds=90)


def test_a_name_that_somebody_takes_while_it_is_not_wanted_is_not_taken_over(namespace: Namespace):
    off = {"networkPolicy": {"enabled": False}}
    namespace.apply(ftps_server("late", **off))
    namespace.wait_ready("late")
    theirs = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "late"},
        "spec": {"podSelector": {"matchLabels": {"app": "theirs"}}, "policyTypes": ["Ingress"]},
    }
    namespace.apply(theirs)
    namespace.patch("ftpsserver", "late", {"spec": {"networkPolicy": {"enabled": True}}})
    eventually(lambda: condition(namespace.server("late"), "Stalled")["reason"] == "NameTaken", seconds=15)
    kept = namespace.get("networkpolicy", "late")
    assert kept is not None
    assert kept["spec"]["podSelector"] == {"matchLabels": {"app": "theirs"}}
    namespace.delete("ftpsserver", "late")
