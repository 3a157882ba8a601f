"""What others made stays theirs: objects whose names the operator wants, and fields of its own objects."""

import json
from typing import Any

import pytest

from support.kstatus import FAILED, kstatus
from support.polling import eventually
from support.servers import Namespace, condition, content, ftps_server, owned
from testbed import Cluster

SECONDS = 15
SELECTOR = {"matchLabels": {"their": "pods"}}
CONTAINER = {"name": "theirs", "image": "localhost/theirs"}
DEPLOYMENT = {
    "replicas": 0,
    "selector": SELECTOR,
    "template": {"metadata": {"labels": {"their": "pods"}}, "spec": {"containers": [CONTAINER]}},
}

# Every name that the operator wants for a server `mine`, and what somebody else may have there.
THEIRS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("v1", "ServiceAccount", "mine", {}),
    ("v1", "ConfigMap", "mine-config", {"data": {"their": "text"}}),
    ("v1", "Secret", "mine-users", {"stringData": {"their": "text"}}),
    ("v1", "Secret", "mine-tls", {"stringData": {"their": "text"}}),
    ("cert-manager.io/v1", "Certificate", "mine-tls", {}),
    ("v1", "PersistentVolumeClaim", "mine-data", {}),
    ("networking.k8s.io/v1", "NetworkPolicy", "mine", {"spec": {"podSelector": SELECTOR}}),
    ("policy/v1", "PodDisruptionBudget", "mine", {"spec": {"selector": SELECTOR, "maxUnavailable": 1}}),
    ("v1", "Service", "mine", {"spec": {"selector": {"their": "pods"}, "ports": [{"port": 80}]}}),
    ("apps/v1", "Deployment", "mine-0", {"spec": DEPLOYMENT}),
    ("apps/v1", "Deployment", "mine-1", {"spec": DEPLOYMENT}),
]
SPECS = {
    "Certificate": {"secretName": "theirs", "issuerRef": {"name": "theirs"}, "dnsNames": ["theirs.example.com"]},
    # No class: nobody provisions it, and its only writer is its owner.
    "PersistentVolumeClaim": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


def look(namespace: Namespace, kind: str, name: str) -> str:
    text = namespace.kubectl("get", kind, name, "-o", "json", "--show-managed-fields")
    return json.dumps(content(json.loads(text)))


@pytest.mark.parametrize("theirs", THEIRS, ids=[f"{kind}-{name}" for _, kind, name, _ in THEIRS])
def test_an_object_of_somebody_else_stays_byte_by_byte(
    operator: Cluster, namespace: Namespace, theirs: tuple[str, str, str, dict[str, Any]]
):
    version, kind, name, fields = theirs
    if kind in SPECS:
        fields = {"spec": SPECS[kind]}
    namespace.apply({"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields})
    if kind == "Deployment":
        namespace.kubectl("wait", "deployment", name, "--for=jsonpath={.status.observedGeneration}=1")
    before = look(namespace, kind, name)
    wanted = ftps_server(
        "mine",
        tls={"certManager": {"issuerRef": operator.issuer}},
        storage={"persistentVolumeClaim": {"size": "1Gi"}},
        replicas=2,
    )
    namespace.apply(wanted)
    try:
        eventually(lambda: kstatus(namespace.server("mine")) == FAILED, seconds=SECONDS)
        stalled = condition(namespace.server("mine"), "Stalled")
        assert stalled["reason"] == "NameTaken"
        assert f"{kind} {name} exists" in stalled["message"]
        assert look(namespace, kind, name) == before
    finally:
        namespace.delete("ftpsserver", "mine")
    # What was made before it was in the way has gone with the server.
    eventually(lambda: owned(namespace, "mine") == {}, seconds=SECONDS)
    assert look(namespace, kind, name) == before
    namespace.delete(kind, name)


def test_somebody_s_own_that_the_spec_names_is_used_and_left_alone(operator: Cluster, namespace: Namespace):
    """Names like those that the operator would give: `own-tls` by a Certificate `own-tls`, an account `own`."""
    certificate = SPECS["Certificate"] | {"secretName": "own-tls", "issuerRef": operator.issuer}
    named = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "own"}},
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "own-tls"},
            "spec": certificate,
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "own-data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
    ]
    namespace.apply(*named)
    eventually(lambda: namespace.get("secret", "own-tls"), seconds=SECONDS)
    kinds = [(each["kind"], each["metadata"]["name"]) for each in named] + [("Secret", "own-tls")]  # type: ignore[index]
    eventually(lambda: namespace.get("pvc", "own-data")["status"]["phase"] == "Bound", seconds=SECONDS)  # type: ignore[index]
    namespace.kubectl("wait", "certificate", "own-tls", "--for=condition=Ready", "--timeout=20s")
    before = {slot: look(namespace, *slot) for slot in kinds}
    namespace.apply(
        ftps_server(
            "own",
            tls={"secretName": "own-tls"},
            storage={"existingClaim": "own-data"},
            serviceAccountName="own",
        )
    )
    namespace.wait_ready("own")
    namespace.delete("ftpsserver", "own")
    assert {slot: look(namespace, *slot) for slot in kinds} == before


def test_files_are_not_deleted_when_the_spec_names_their_claim_otherwise(operator: Cluster, namespace: Namespace):
    claim = {"size": "1Gi", "deletionPolicy": "Delete"}
    namespace.apply(ftps_server("renamed", storage={"persistentVolumeClaim": claim}))
    namespace.wait_ready("renamed")
    before = namespace.get("persistentvolumeclaim", "renamed-data")
    for storage in (
        {"persistentVolumeClaim": None, "existingClaim": "renamed-data"},
        {"existingClaim": None, "emptyDir": {}},
    ):
        namespace.patch("ftpsserver", "renamed", {"spec": {"storage": storage}})
        namespace.wait_ready("renamed")
        assert namespace.get("persistentvolumeclaim", "renamed-data") == before
    namespace.delete("ftpsserver", "renamed")
    eventually(lambda: namespace.get("persistentvolumeclaim", "renamed-data") is None, seconds=60)


def test_fields_of_others_survive_a_change_of_the_spec(operator: Cluster, namespace: Namespace):
    namespace.apply(ftps_server("shared"))
    namespace.wait_ready("shared")
    mark = {"metadata": {"annotations": {"example.com/theirs": "on"}, "labels": {"example.com/theirs": "on"}}}
    slots = (
        ("service", "shared"),
        ("configmap", "shared-config"),
        ("secret", "shared-users"),
        ("networkpolicy", "shared"),
        ("serviceaccount", "shared"),
        ("poddisruptionbudget", "shared"),
        ("deployment", "shared-0"),
    )
    for slot in slots:
        namespace.patch(*slot, mark, "--field-manager=mesh")
    injected = {"metadata": {"annotations": {"example.com/injected": "yes"}}, "spec": {"hostAliases": [{"ip": "::1"}]}}
    namespace.patch("deployment", "shared-0", {"spec": {"template": injected}}, "--field-manager=mesh")
    namespace.kubectl("rollout", "restart", "deployment", "shared-0")
    namespace.wait_ready("shared")
    namespace.patch(
        "ftpsserver",
        "shared",
        {"spec": {"podLabels": {"turn": "one"}, "explicit": {"port": 2121}, "networkPolicy": {"portRanges": "Expand"}}},
    )
    namespace.wait_ready("shared")
    for slot in slots:
        found = namespace.get(*slot)
        assert found is not None
        assert found["metadata"]["annotations"]["example.com/theirs"] == "on", slot
        assert found["metadata"]["labels"]["example.com/theirs"] == "on", slot
    template = namespace.get("deployment", "shared-0")["spec"]["template"]  # type: ignore[index]
    assert template["metadata"]["labels"]["turn"] == "one"
    assert {"example.com/injected", "kubectl.kubernetes.io/restartedAt"} <= template["metadata"]["annotations"].keys()
    assert template["spec"]["hostAliases"] == [{"ip": "::1"}]
    namespace.delete("ftpsserver", "shared")
