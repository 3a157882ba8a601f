"""Fields that the API server does not let change: made anew where nothing is lost, or told with the command."""

import shlex
from typing import Any

import pytest

from support.kstatus import FAILED, kstatus
from support.polling import eventually
from support.servers import Namespace, condition, ftps_server

PAUSED = "ftps-operator.io/paused"
SECONDS = 15


def stalled_message(namespace: Namespace, name: str) -> str:
    """Wait until a server is stalled by a field, and say what is told."""

    def look() -> str:
        found = namespace.server(name)
        assert kstatus(found) == FAILED
        assert condition(found, "Stalled")["reason"] == "ImmutableField"
        message: str = condition(found, "Stalled")["message"]
        return message

    return eventually(look, seconds=SECONDS)


def run_told_command(namespace: Namespace, message: str) -> None:
    """Do what the message says, word by word."""
    program, *words = shlex.split(message.rpartition(": ")[2])
    assert program == "kubectl"
    namespace.cluster.kubectl(*words)


def uid(namespace: Namespace, kind: str, name: str) -> str:
    found = namespace.get(kind, name)
    assert found is not None
    return str(found["metadata"]["uid"])


# Of a claim that was left by an earlier server of that name: what the next one wants, and the API server's words.
CLAIMS: list[tuple[str, dict[str, Any], str]] = [
    ("modes", {"size": "1Gi", "accessModes": ["ReadWriteMany"]}, "spec is immutable after creation"),
    ("smaller", {"size": "512Mi"}, "field can not be less than status.capacity"),
    ("larger", {"size": "2Gi"}, "the storageclass that provisions the pvc must support resize"),
]


@pytest.mark.parametrize(("name", "wanted", "words"), CLAIMS, ids=[name for name, *_ in CLAIMS])
def test_another_claim_is_for_a_person_to_decide(namespace: Namespace, name: str, wanted: dict[str, Any], words: str):
    namespace.apply(ftps_server(name, storage={"persistentVolumeClaim": {"size": "1Gi"}}))
    namespace.wait_ready(name)
    before = uid(namespace, "persistentvolumeclaim", f"{name}-data")
    namespace.delete("ftpsserver", name)
    eventually(lambda: not namespace.pods(name), seconds=60)
    namespace.apply(ftps_server(name, storage={"persistentVolumeClaim": wanted}))
    message = stalled_message(namespace, name)
    assert words in message
    assert "which loses all files" in message
    assert uid(namespace, "persistentvolumeclaim", f"{name}-data") == before
    run_told_command(namespace, message)
    namespace.wait_ready(name)
    claim = namespace.get("persistentvolumeclaim", f"{name}-data")
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == wanted["size"]
    namespace.delete("ftpsserver", name)


def test_the_told_command_replaces_a_claim_that_pods_use(namespace: Namespace):
    namespace.apply(ftps_server("used", storage={"persistentVolumeClaim": {"size": "1Gi"}}))
    namespace.wait_ready("used")
    namespace.patch("ftpsserver", "used", {"spec": {"storage": {"persistentVolumeClaim": {"size": "2Gi"}}}})
    message = stalled_message(namespace, "used")
    assert namespace.server("used")["status"]["readyReplicas"] == 1
    run_told_command(namespace, message)
    namespace.wait_ready("used")
    claim = namespace.get("persistentvolumeclaim", "used-data")
    assert claim is not None
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    namespace.delete("ftpsserver", "used")


def test_a_file_that_somebody_has_made_immutable_is_made_anew(namespace: Namespace):
    namespace.apply(ftps_server("frozen"))
    namespace.wait_ready("frozen")
    pod = namespace.pods("frozen")[0]["metadata"]["uid"]
    for kind, name in (("configmap", "frozen-config"), ("secret", "frozen-users")):
        namespace.patch(kind, name, {"immutable": True})
    namespace.patch("ftpsserver", "frozen", {"spec": {"limits": {"maxSessions": 7}}})
    namespace.wait_ready("frozen")
    config = namespace.get("configmap", "frozen-config")
    assert config is not None
    assert '"maxSessions":7' in config["data"]["server.json"]
    assert [each["metadata"]["uid"] for each in namespace.pods("frozen")] == [pod]
    namespace.delete("ftpsserver", "frozen")


def test_a_deployment_and_a_secret_of_other_shapes_are_made_anew(namespace: Namespace):
    namespace.apply(ftps_server("odd"))
    namespace.wait_ready("odd")
    annotate = {"metadata": {"annotations": {PAUSED: "true"}}}
    namespace.patch("ftpsserver", "odd", annotate)
    eventually(lambda: condition(namespace.server("odd"), "Paused"), seconds=SECONDS)
    for kind, name in (("deployment", "odd-0"), ("secret", "odd-users")):
        found = namespace.get(kind, name)
        assert found is not None
        namespace.kubectl("delete", kind, name, "--cascade=foreground")
        if kind == "deployment":
            found["spec"]["selector"]["matchLabels"]["odd"] = found["spec"]["template"]["metadata"]["labels"]["odd"] = (
                "1"
            )
        else:
            found["type"] = "example.com/odd"
        meta = {key: found["metadata"][key] for key in ("name", "labels", "ownerReferences")}
        namespace.apply(found | {"metadata": meta})
    namespace.kubectl("rollout", "status", "deployment", "odd-0", "--timeout=60s")
    odd = uid(namespace, "deployment", "odd-0")
    namespace.patch("ftpsserver", "odd", {"metadata": {"annotations": {PAUSED: None}}})
    eventually(lambda: uid(namespace, "deployment", "odd-0") != odd, seconds=SECONDS)
    namespace.wait_ready("odd")
    deployment, users = namespace.get("deployment", "odd-0"), namespace.get("secret", "odd-users")
    assert deployment is not None
    assert users is not None
    assert "odd" not in deployment["spec"]["selector"]["matchLabels"]
    assert users["type"] == "Opaque"
    namespace.delete("ftpsserver", "odd")
