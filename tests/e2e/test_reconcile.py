"""The operator makes what a server needs, keeps it that way, and takes away what is not wanted any more."""

import base64
import json
import time
from typing import Any

import pytest

from support.kstatus import CURRENT, FAILED, IN_PROGRESS, kstatus
from support.polling import eventually
from support.servers import PASSWORD, Namespace, condition, ftps_server, password_secret
from testbed import Cluster
from testbed.errors import TestbedError

DRIFT_SECONDS = 5
NAME = "exchange"
NAME_LABEL = "app.kubernetes.io/name"
CLAIM: dict[str, Any] = {"persistentVolumeClaim": {"size": "1Gi"}}

CHILDREN = (
    ("deployment", f"{NAME}-0"),
    ("service", NAME),
    ("configmap", f"{NAME}-config"),
    ("secret", f"{NAME}-users"),
    ("secret", f"{NAME}-tls"),
    ("certificate", f"{NAME}-tls"),
    ("networkpolicy", NAME),
    ("persistentvolumeclaim", f"{NAME}-data"),
    ("poddisruptionbudget", NAME),
    ("serviceaccount", NAME),
)


@pytest.fixture(scope="module")
def server(operator: Cluster, namespace: Namespace) -> dict[str, Any]:
    namespace.apply(
        password_secret("alice"),
        ftps_server(NAME, users=("alice",), tls={"certManager": {"issuerRef": operator.issuer}}, storage=CLAIM),
    )
    return namespace.wait_ready(NAME)


@pytest.mark.parametrize(("kind", "name"), CHILDREN)
def test_every_child_is_made_and_belongs_to_the_server(
    namespace: Namespace, server: dict[str, Any], kind: str, name: str
):
    child = namespace.get(kind, name)
    assert child is not None
    assert child["metadata"]["labels"]["ftps-operator.io/server"] == NAME
    owners = [owner["uid"] for owner in child["metadata"].get("ownerReferences", [])]
    if kind == "persistentvolumeclaim":
        assert owners == []  # deletionPolicy Retain
    else:
        assert server["metadata"]["uid"] in owners


# A child, a change that a person makes by hand, and where the operator's own value stands.
Drift = tuple[str, str, dict[str, Any], tuple[str | int, ...]]
DRIFT: list[Drift] = [
    ("service", NAME, {"spec": {"selector": {"app.kubernetes.io/name": "other"}}}, ("spec", "selector")),
    ("deployment", f"{NAME}-0", {"spec": {"replicas": 0}}, ("spec", "replicas")),
    ("configmap", f"{NAME}-config", {"data": {"address.json": "{}"}}, ("data", "address.json")),
    ("certificate", f"{NAME}-tls", {"spec": {"dnsNames": ["other.example.com"]}}, ("spec", "dnsNames")),
    ("networkpolicy", NAME, {"spec": {"ingress": [{}]}}, ("spec", "ingress")),
    ("poddisruptionbudget", NAME, {"spec": {"maxUnavailable": 0}}, ("spec", "maxUnavailable")),
    ("serviceaccount", NAME, {"automountServiceAccountToken": True}, ("automountServiceAccountToken",)),
    ("persistentvolumeclaim", f"{NAME}-data", {"metadata": {"labels": {NAME_LABEL: "x"}}}, ("metadata", "labels")),
]


def at(resource: dict[str, Any] | None, path: tuple[str | int, ...]) -> Any:
    found: Any = resource
    for part in path:
        found = found[part]
    return found


@pytest.mark.parametrize("drift", DRIFT, ids=[kind for kind, *_ in DRIFT])
def test_an_edited_child_returns(namespace: Namespace, server: dict[str, Any], drift: Drift):
    kind, name, edit, path = drift
    wanted = at(namespace.get(kind, name), path)
    namespace.patch(kind, name, edit)
    eventually(lambda: at(namespace.get(kind, name), path) == wanted, seconds=DRIFT_SECONDS, what=f"{kind} returns")


def stored_users(namespace: Namespace) -> list[dict[str, str]]:
    """What the server is told of its users."""
    text = namespace.kubectl("get", "secret", f"{NAME}-users", "-o", r"jsonpath={.data.users\.json}")
    found: list[dict[str, str]] = json.loads(base64.b64decode(text)).get("users", [])
    return found


def test_an_edited_secret_of_hashes_returns(namespace: Namespace, server: dict[str, Any]):
    namespace.patch("secret", f"{NAME}-users", {"data": {"users.json": "e30="}})
    eventually(lambda: [user["name"] for user in stored_users(namespace)] == ["alice"], seconds=DRIFT_SECONDS)


@pytest.mark.parametrize(
    ("kind", "name"), [child for child in CHILDREN if child[0] not in ("persistentvolumeclaim", "certificate")]
)
def test_a_deleted_child_returns(namespace: Namespace, server: dict[str, Any], kind: str, name: str):
    before = namespace.get(kind, name)
    assert before is not None
    namespace.kubectl("delete", kind, name, "--wait=false")

    def is_new() -> bool:
        found = namespace.get(kind, name)
        return found is not None and found["metadata"]["uid"] != before["metadata"]["uid"]

    eventually(is_new, seconds=DRIFT_SECONDS, what=f"{kind} returns")
    namespace.wait_ready(NAME)


def test_foreign_fields_survive(namespace: Namespace, server: dict[str, Any]):
    namespace.patch("service", NAME, {"metadata": {"annotations": {"example.com/mesh": "on"}}})
    namespace.patch("ftpsserver", NAME, {"spec": {"service": {"labels": {"team": "files"}}}})
    namespace.wait_ready(NAME)
    service = namespace.get("service", NAME)
    assert service is not None
    assert service["metadata"]["labels"]["team"] == "files"
    assert service["metadata"]["annotations"]["example.com/mesh"] == "on"


def test_what_the_spec_no_longer_wants_is_pruned(namespace: Namespace, server: dict[str, Any]):
    off = {"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}}
    namespace.patch("ftpsserver", NAME, {"spec": off})
    eventually(lambda: namespace.get("networkpolicy", NAME) is None, seconds=DRIFT_SECONDS)
    eventually(lambda: namespace.get("poddisruptionbudget", NAME) is None, seconds=DRIFT_SECONDS)
    status = namespace.wait_ready(NAME)
    assert condition(status, "NetworkPolicyApplied")["reason"] == "Disabled"
    on = {"networkPolicy": {"enabled": True}, "podDisruptionBudget": {"enabled": True}}
    namespace.patch("ftpsserver", NAME, {"spec": on})
    namespace.wait_ready(NAME)
    assert namespace.get("networkpolicy", NAME)


def test_nothing_but_status_is_written_to_the_server(namespace: Namespace, server: dict[str, Any]):
    text = namespace.kubectl("get", "ftpsserver", NAME, "-o", "json", "--show-managed-fields")
    meta = json.loads(text)["metadata"]
    assert "finalizers" not in meta
    ours = [entry for entry in meta["managedFields"] if entry["manager"].startswith("ftps-operator")]
    assert [(entry["operation"], entry["subresource"]) for entry in ours] == [("Apply", "status")]
    assert set(ours[0]["fieldsV1"]) == {"f:status"}


def test_no_plain_password_is_written_anywhere(namespace: Namespace, server: dict[str, Any]):
    for kind in ("configmap", "deployment", "pod", "event", "ftpsserver"):
        assert PASSWORD not in namespace.kubectl("get", kind, "-o", "yaml")
    stored = stored_users(namespace)
    assert [user["name"] for user in stored] == ["alice"]
    assert stored[0]["passwordHash"].startswith("$argon2id$")
    assert PASSWORD not in json.dumps(stored)


def watch_summaries(namespace: Namespace, name: str, patch: dict[str, Any]) -> list[tuple[str, str]]:
    """What Ready and kstatus said, from a change until it was done."""
    seen: list[tuple[str, str]] = []
    namespace.patch("ftpsserver", name, patch)

    def look() -> bool:
        found = namespace.server(name)
        entry = (condition(found, "Ready")["status"], kstatus(found))
        if not seen or seen[-1] != entry:
            seen.append(entry)
        return len(seen) > 1 and entry == ("True", CURRENT)

    eventually(look, seconds=60)
    return seen


def test_ready_turns_false_before_it_turns_true_after_a_change(namespace: Namespace, server: dict[str, Any]):
    seen = watch_summaries(namespace, NAME, {"spec": {"podLabels": {"turn": "one"}}})
    assert ("False", IN_PROGRESS) in seen
    assert seen[-1] == ("True", CURRENT)
    assert FAILED not in {summary for _, summary in seen}


def test_a_new_server_is_in_progress_and_then_current(namespace: Namespace):
    namespace.apply(ftps_server("fresh"))
    seen = {kstatus(namespace.server("fresh"))}
    eventually(lambda: seen.add(kstatus(namespace.server("fresh"))) or CURRENT in seen, seconds=60)
    assert seen == {IN_PROGRESS, CURRENT}
    namespace.delete("ftpsserver", "fresh")


def test_the_status_tells_what_there_is(namespace: Namespace, server: dict[str, Any]):
    status = namespace.wait_ready(NAME)["status"]
    service = namespace.get("service", NAME)
    assert service is not None
    address = service["spec"]["clusterIP"]
    assert status["address"] == address
    assert status["endpoints"] == [
        {"mode": "Explicit", "port": 21, "url": f"ftp://{address}:21"},
        {"mode": "Implicit", "port": 990, "url": f"ftps://{address}:990"},
    ]
    assert status["passivePorts"] == "50000-50039"
    assert (status["replicas"], status["readyReplicas"], status["users"]) == (1, 1, 1)
    assert status["certificate"]["issuer"].startswith("CN=")
    assert len(status["certificate"]["fingerprint"]) == 64
    generation = status["observedGeneration"]
    assert {each["observedGeneration"] for each in status["conditions"]} == {generation}


def test_the_printed_columns_are_those_of_a_quick_look(namespace: Namespace, server: dict[str, Any]):
    header, row = namespace.kubectl("get", "ftps", NAME).splitlines()
    assert header.split() == ["NAME", "READY", "ADDRESS", "EXPLICIT", "IMPLICIT", "PASSIVE", "REPLICAS", "AGE"]
    assert row.split()[:2] == [NAME, "True"]
    assert row.split()[3:7] == ["21", "990", "50000-50039", "1"]


def test_a_name_that_somebody_else_has_stalls_and_is_not_taken_over(namespace: Namespace):
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken-config"}, "data": {"mine": "1"}}
    namespace.apply(theirs, ftps_server("taken"))

    def is_stalled() -> dict[str, Any]:
        found = namespace.server("taken")
        assert kstatus(found) == FAILED
        return found

    found = eventually(is_stalled, seconds=15)
    assert condition(found, "Stalled")["reason"] == "NameTaken"
    assert "ConfigMap taken-config" in condition(found, "Ready")["message"]
    assert namespace.get("deployment", "taken-0") is None
    kept = namespace.get("configmap", "taken-config")
    assert kept is not None
    assert kept["data"] == {"mine": "1"}
    namespace.delete("configmap", "taken-config")
    # Nothing tells the operator: it looks again by itself.
    namespace.patch("ftpsserver", "taken", {"spec": {"podLabels": {"again": "1"}}})
    namespace.wait_ready("taken")
    namespace.delete("ftpsserver", "taken")


def test_an_unknown_issuer_kind_is_failed(namespace: Namespace):
    issuer = {"name": "a", "kind": "NoSuchIssuer"}
    namespace.apply(ftps_server("issuer", tls={"certManager": {"issuerRef": issuer}}))

    def is_failed() -> dict[str, Any]:
        found = namespace.server("issuer")
        assert kstatus(found) == FAILED
        return found

    found = eventually(is_failed, seconds=15)
    assert "NoSuchIssuer" in condition(found, "Stalled")["message"]
    namespace.delete("ftpsserver", "issuer")


def test_a_missing_issuer_is_told_and_no_pod_waits_for_it(namespace: Namespace):
    namespace.apply(ftps_server("nobody", tls={"certManager": {"issuerRef": {"name": "nobody"}}}))

    def is_told() -> bool:
        found = namespace.server("nobody")
        assert kstatus(found) == IN_PROGRESS
        return condition(found, "CertificateReady")["status"] == "False" and bool(namespace.get("service", "nobody"))

    eventually(is_told, seconds=15)
    assert namespace.get("deployment", "nobody-0") is None
    namespace.delete("ftpsserver", "nobody")


def test_a_missing_password_secret_is_told_and_mended_when_it_comes(namespace: Namespace):
    namespace.apply(ftps_server("early", users=("late",)))

    def is_told() -> bool:
        found = condition(namespace.server("early"), "UsersReady")
        return found["status"] == "False" and "Secret late is missing" in found["message"]

    eventually(is_told, seconds=15)
    namespace.apply(password_secret("late"))
    namespace.wait_ready("early")
    namespace.delete("ftpsserver", "early")


def test_a_paused_server_is_not_changed(namespace: Namespace, server: dict[str, Any]):
    namespace.patch("ftpsserver", NAME, {"metadata": {"annotations": {"ftps-operator.io/paused": "true"}}})
    eventually(lambda: condition(namespace.server(NAME), "Paused")["status"] == "True", seconds=DRIFT_SECONDS)
    namespace.patch("ftpsserver", NAME, {"spec": {"networkPolicy": {"enabled": False}}})
    eventually(lambda: kstatus(namespace.server(NAME)) == IN_PROGRESS, seconds=DRIFT_SECONDS)
    assert namespace.get("networkpolicy", NAME)
    namespace.patch(
        "ftpsserver",
        NAME,
        {
            "metadata": {"annotations": {"ftps-operator.io/paused": None}},
            "spec": {"networkPolicy": {"enabled": True}},
        },
    )
    status = namespace.wait_ready(NAME)
    with pytest.raises(AssertionError):
        condition(status, "Paused")


def test_the_namespace_refuses_pods_that_are_not_restricted(namespace: Namespace, server: dict[str, Any]):
    with pytest.raises(TestbedError, match='violates PodSecurity "restricted:latest"'):
        namespace.kubectl("run", "unsafe", "--image=localhost/none", "--privileged")
    assert namespace.pods(NAME)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_deletion_leaves_what_the_policy_says(operator: Cluster, namespace: Namespace, policy: str):
    name = f"gone-{policy.lower()}"
    claim = {"persistentVolumeClaim": {"size": "1Gi", "deletionPolicy": policy}}
    namespace.apply(ftps_server(name, tls={"certManager": {"issuerRef": operator.issuer}}, storage=claim))
    namespace.wait_ready(name)
    # The certificate's Secret is cert-manager's; it gets its owner a moment after it is there.
    eventually(lambda: namespace.get("secret", f"{name}-tls")["metadata"].get("ownerReferences"), seconds=10)  # type: ignore[index]
    started = time.monotonic()
    namespace.delete("ftpsserver", name)

    def left() -> list[str]:
        kinds = "deployment,service,configmap,secret,certificate,networkpolicy,pdb,serviceaccount,pvc"
        text = namespace.kubectl("get", kinds, "-o", "name", "-l", f"ftps-operator.io/server={name}")
        return text.split()

    wanted = [f"persistentvolumeclaim/{name}-data"] if policy == "Retain" else []
    eventually(lambda: left() == wanted, seconds=90, what="only what the policy says is left")
    assert time.monotonic() - started < 90
