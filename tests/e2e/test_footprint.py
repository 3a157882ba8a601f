"""What the operator leaves on the resources of its users: a status, and nothing else; and nothing when they go."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from support.polling import eventually
from support.servers import Namespace, condition, content, ftps_server, password_secret
from testbed import Cluster
from testbed.install import NAMESPACE, RELEASE, ensure_namespace

NAME = "lived"
Change = Callable[[Namespace], None]


def annotate(key: str, value: str | None) -> Change:
    return lambda namespace: namespace.patch(
        "ftpsserver", NAME, {"metadata": {"annotations": {f"ftps-operator.io/{key}": value}}}
    )


def spec(**fields: Any) -> Change:
    return lambda namespace: namespace.patch("ftpsserver", NAME, {"spec": fields})


def scale(namespace: Namespace) -> None:
    namespace.kubectl("scale", "ftpsserver", NAME, "--replicas=2")


def restart_operator(namespace: Namespace) -> None:
    namespace.cluster.kubectl("rollout", "restart", "deployment", RELEASE, "-n", NAMESPACE)
    namespace.cluster.kubectl("rollout", "status", "deployment", RELEASE, "-n", NAMESPACE, "--timeout=60s")


def is_in(kind: str) -> Callable[[Namespace], object]:
    return lambda namespace: condition(namespace.server(NAME), kind)["status"] == "True"


def is_ready(namespace: Namespace) -> object:
    return namespace.wait_ready(NAME)


# A life: what a person does, and when the operator has dealt with it.
LIFE: list[tuple[str, Change, Callable[[Namespace], object]]] = [
    ("change", spec(podLabels={"turn": "one"}), is_ready),
    ("scale", scale, is_ready),
    ("pause", annotate("paused", "true"), is_in("Paused")),
    ("change while paused", spec(limits={"maxSessions": 5}), is_in("Paused")),
    ("go on", annotate("paused", None), is_ready),
    ("plan", annotate("mode", "plan"), is_in("Planned")),
    ("change while planning", spec(networkPolicy={"enabled": False}), lambda ns: ns.server(NAME)["status"]["plan"]),
    ("put into effect", annotate("mode", None), is_ready),
    ("restart of the operator", restart_operator, is_ready),
    ("change after it", spec(networkPolicy={"enabled": True}), is_ready),
]


def text(namespace: Namespace) -> str:
    """All of the FtpsServer but its status, as bytes would be compared."""
    found = namespace.kubectl("get", "ftpsserver", NAME, "-o", "json", "--show-managed-fields")
    return json.dumps(content(json.loads(found)))


def test_through_a_whole_life_nothing_but_the_status_is_written(operator: Cluster, namespace: Namespace):
    created = ftps_server(NAME, users=("alice",)) | {"metadata": {"name": NAME, "annotations": {"mine": "1"}}}
    # The first look at it is before the operator's, or what the operator writes would go unseen.
    created["metadata"]["annotations"]["ftps-operator.io/paused"] = "true"
    namespace.apply(password_secret("alice"), created)
    before = text(namespace)
    eventually(lambda: is_in("Paused")(namespace), seconds=10)
    assert text(namespace) == before
    annotate("paused", None)(namespace)
    before = text(namespace)
    is_ready(namespace)
    assert text(namespace) == before
    for what, change, is_done in LIFE:
        change(namespace)
        before = text(namespace)
        eventually(lambda done=is_done: done(namespace), seconds=60, what=what)  # type: ignore[misc]
        assert text(namespace) == before, what
    assert "ftps-operator" not in before.replace("ftps-operator.io", "")
    assert "finalizers" not in before
    namespace.delete("ftpsserver", NAME)
    assert namespace.get("ftpsserver", NAME) is None


@pytest.fixture
def doomed(operator: Cluster) -> Namespace:
    """A namespace with a server that has everything."""
    made = Namespace(operator, f"doomed-{secrets.token_hex(3)}")
    ensure_namespace(operator, made.name)
    claim = {"persistentVolumeClaim": {"size": "1Gi"}}
    made.apply(ftps_server("doomed", tls={"certManager": {"issuerRef": operator.issuer}}, storage=claim))
    made.wait_ready("doomed")
    return made


def test_a_namespace_goes_while_the_operator_is_away(doomed: Namespace, without_deployment: Cluster):
    without_deployment.kubectl("delete", "namespace", doomed.name, "--timeout=120s")
    assert without_deployment.kubectl("get", "namespace", doomed.name, "--ignore-not-found") == ""

    def volumes() -> list[str]:
        path = "jsonpath={.items[*].spec.claimRef.namespace}"
        return without_deployment.kubectl("get", "persistentvolumes", "-o", path).split()

    eventually(lambda: doomed.name not in volumes(), seconds=20)
