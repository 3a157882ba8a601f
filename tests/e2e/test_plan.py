"""`ftps-operator.io/mode: plan`: the status says what would change, and nothing does."""

import json
from typing import Any

import pytest

from support.kstatus import FAILED, IN_PROGRESS, kstatus
from support.polling import eventually
from support.servers import PASSWORD, Namespace, condition, content, ftps_server, owned, password_secret
from testbed import Cluster

NAME = "planned"
MODE = "ftps-operator.io/mode"
SECONDS = 10


@pytest.fixture(scope="module")
def server(operator: Cluster, namespace: Namespace) -> dict[str, Any]:
    namespace.apply(
        password_secret("alice"),
        password_secret("bob"),
        ftps_server(
            NAME,
            users=("alice",),
            tls={"certManager": {"issuerRef": operator.issuer}},
            storage={"persistentVolumeClaim": {"size": "1Gi"}},
            replicas=2,
        ),
    )
    return namespace.wait_ready(NAME)


def set_mode(namespace: Namespace, name: str, mode: str | None, **spec: Any) -> None:
    namespace.patch("ftpsserver", name, {"metadata": {"annotations": {MODE: mode}}, "spec": spec})


def plan(namespace: Namespace, name: str) -> dict[str, tuple[str, list[str]]]:
    """Action and fields by object."""
    found = namespace.server(name)
    assert condition(found, "Planned")["status"] == "True"
    return {each["object"]: (each["action"], each["fields"]) for each in found["status"]["plan"]}


def test_with_nothing_to_change_the_plan_is_empty(namespace: Namespace, server: dict[str, Any]):
    set_mode(namespace, NAME, "plan")
    eventually(lambda: plan(namespace, NAME) == {}, seconds=SECONDS)
    assert condition(namespace.server(NAME), "Planned")["reason"] == "NothingToChange"
    set_mode(namespace, NAME, None)
    namespace.wait_ready(NAME)


def test_a_plan_is_what_happens_when_the_mode_goes_and_nothing_before(namespace: Namespace, server: dict[str, Any]):
    before = owned(namespace, NAME)
    pods = {pod["metadata"]["name"]: content(pod) for pod in namespace.pods(NAME)}
    set_mode(
        namespace,
        NAME,
        "plan",
        podLabels={"turn": "one"},
        explicit={"port": 2121},
        networkPolicy={"enabled": False},
        users=[{"name": user, "passwordSecretRef": {"name": user}} for user in ("alice", "bob")],
    )
    planned = eventually(lambda: plan(namespace, NAME), seconds=SECONDS)
    told = next(action for action in planned.items() if action[0].startswith("Pod "))
    assert told[1] == ("Change", ["metadata.annotations[ftps-operator.io/reload]"])
    template = "spec.template.metadata"
    labelled = [f"{template}.annotations[ftps-operator.io/passive-ports]"]
    assert {name: change for name, change in planned.items() if not name.startswith(("Pod ", "Deployment "))} == {
        f"Service {NAME}": ("Change", ["spec.ports[ftp].port"]),
        f"Secret {NAME}-users": ("Change", ["data[sources.json]", "data[users.json]"]),
        f"NetworkPolicy {NAME}": ("Delete", []),
    }
    for shard in (f"Deployment {NAME}-0", f"Deployment {NAME}-1"):
        action, fields = planned[shard]
        assert action == "Change"
        assert {f"{template}.labels.turn", f"{template}.annotations[ftps-operator.io/template]", *labelled} <= {*fields}
        assert "spec.template.spec.containers[ftps-server].ports[p50000]" in fields or shard.endswith("-1")
    found = namespace.server(NAME)
    assert kstatus(found) == IN_PROGRESS  # the generation has not been acted upon
    assert condition(found, "Planned")["reason"] == "ChangesPlanned"
    assert PASSWORD not in json.dumps(found["status"])

    assert owned(namespace, NAME) == before
    assert {pod["metadata"]["name"]: content(pod) for pod in namespace.pods(NAME)} == pods

    set_mode(namespace, NAME, None)
    found = namespace.wait_ready(NAME)
    assert "plan" not in found["status"]
    with pytest.raises(AssertionError, match="no condition Planned"):
        condition(found, "Planned")
    after = owned(namespace, NAME)
    changed = {name for name in before | after if _wanted(before.get(name)) != _wanted(after.get(name))}
    assert changed == {name for name in planned if not name.startswith("Pod ")}


def _wanted(child: dict[str, Any] | None) -> Any:
    """Without what Kubernetes counts."""
    if child is None:
        return None
    meta = {
        key: {each: text for each, text in value.items() if each != "deployment.kubernetes.io/revision"}
        if key == "annotations"
        else value
        for key, value in child["metadata"].items()
        if key not in ("generation", "managedFields")
    }
    return child | {"metadata": meta}


def test_of_a_new_server_everything_is_planned_and_nothing_made(namespace: Namespace, operator: Cluster):
    manifest = ftps_server("unborn", storage={"persistentVolumeClaim": {"size": "1Gi"}})
    manifest["metadata"]["annotations"] = {MODE: "plan"}
    namespace.apply(manifest)
    planned = eventually(lambda: plan(namespace, "unborn"), seconds=SECONDS)
    assert planned == {
        f"{kind} {name}": ("Create", [])
        for kind, name in (
            ("NetworkPolicy", "unborn"),
            ("ServiceAccount", "unborn"),
            ("Secret", "unborn-tls"),
            ("Service", "unborn"),
            ("ConfigMap", "unborn-config"),
            ("Secret", "unborn-users"),
            ("PersistentVolumeClaim", "unborn-data"),
            ("PodDisruptionBudget", "unborn"),
            ("Deployment", "unborn-0"),
        )
    }
    assert owned(namespace, "unborn") == {}
    set_mode(namespace, "unborn", None)
    namespace.wait_ready("unborn")
    namespace.delete("ftpsserver", "unborn")


def test_what_would_be_refused_is_told_and_the_server_is_not_stalled(namespace: Namespace):
    namespace.apply(ftps_server("refused", service={"type": "LoadBalancer"}))
    namespace.wait_ready("refused")
    set_mode(namespace, "refused", "plan", service={"loadBalancerClass": "testbed.ftps-operator.io/lb"})

    def told() -> dict[str, Any]:
        found = condition(namespace.server("refused"), "Planned")
        assert found["status"] == "False"
        return found

    found = eventually(told, seconds=SECONDS)
    assert found["reason"] == "ImmutableField"
    assert "spec.loadBalancerClass" in found["message"]
    assert kstatus(namespace.server("refused")) == IN_PROGRESS
    namespace.delete("ftpsserver", "refused")


def test_a_misspelt_mode_changes_nothing(namespace: Namespace):
    namespace.apply(ftps_server("misspelt"))
    namespace.wait_ready("misspelt")
    before = owned(namespace, "misspelt")
    set_mode(namespace, "misspelt", "plna", podLabels={"turn": "one"})
    eventually(lambda: kstatus(namespace.server("misspelt")) == FAILED, seconds=SECONDS)
    assert "'plna'" in condition(namespace.server("misspelt"), "Stalled")["message"]
    assert owned(namespace, "misspelt") == before
    namespace.delete("ftpsserver", "misspelt")
