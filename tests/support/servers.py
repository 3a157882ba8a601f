"""FtpsServers made for a test, each in a namespace that enforces the restricted Pod Security Standard."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.polling import eventually
from testbed import Cluster
from testbed.install import ensure_namespace

READY_SECONDS = 60
PASSWORD = "correct-horse-battery-staple"
HOST = "ftps.example.com"


class Namespace:
    """A namespace, and what is in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        return self.cluster.kubectl(*words, "-n", self.name, stdin=stdin, check=check)

    def apply(self, *manifests: dict[str, Any]) -> None:
        """Apply as a user does."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(listed))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object, or None."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] | None = json.loads(text) if text else None
        return found

    def objects(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """All objects of a kind."""
        flags = ["-l", selector] if selector else []
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json", *flags))["items"]
        return items

    def patch(self, kind: str, name: str, patch: dict[str, Any], *flags: str) -> None:
        """Merge-patch an object."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *flags)

    def delete(self, kind: str, name: str) -> None:
        self.kubectl("delete", kind, name, "--wait=true")

    def server(self, name: str) -> dict[str, Any]:
        """An FtpsServer."""
        found = self.get("ftpsserver", name)
        assert found is not None, f"FtpsServer {name} is gone"
        return found

    def wait_ready(self, name: str) -> dict[str, Any]:
        """Wait until the newest generation is Ready."""

        def look() -> dict[str, Any] | None:
            server = self.server(name)
            ready = condition(server, "Ready")
            if ready["observedGeneration"] == server["metadata"]["generation"] and ready["status"] == "True":
                return server
            raise AssertionError(f"not Ready: {ready['reason']}: {ready['message']}")

        found = eventually(look, seconds=READY_SECONDS)
        assert found is not None
        return found

    def pods(self, server: str) -> list[dict[str, Any]]:
        """The pods of a server that are not about to end."""
        pods = self.objects("pods", f"ftps-operator.io/server={server}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a resource's status."""
    for each in resource.get("status", {}).get("conditions", []):
        if each["type"] == kind:
            found: dict[str, Any] = each
            return found
    raise AssertionError(f"no condition {kind} yet")


@contextmanager
def temporary_namespace(cluster: Cluster, prefix: str) -> Iterator[Namespace]:
    """A namespace for the time of a test."""
    name = f"{prefix}-{secrets.token_hex(3)}"
    ensure_namespace(cluster, name)
    try:
        yield Namespace(cluster, name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def password_secret(name: str, password: str = PASSWORD) -> dict[str, Any]:
    """A Secret with a password."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"password": password},
    }


def at_the_load_balancer(cluster: Cluster) -> dict[str, Any]:
    """Part of a spec: the node that the embedded cluster's load balancers lead to. With Local it needs the pods."""
    return {"nodeSelector": {"kubernetes.io/hostname": "node0"}} if cluster.embedded else {}


def ftps_server(name: str, *, users: tuple[str, ...] = (), **spec: Any) -> dict[str, Any]:
    """An FtpsServer that needs nothing but the operator, unless told otherwise."""
    return {
        "apiVersion": "ftps-operator.io/v1alpha1",
        "kind": "FtpsServer",
        "metadata": {"name": name},
        "spec": {
            "tls": {"selfSigned": {}},
            "storage": {"emptyDir": {}},
            "users": [{"name": user, "passwordSecretRef": {"name": user}} for user in users],
        }
        | spec,
    }


# Every kind that the operator makes.
OWNED_KINDS = (
    "deployments,services,configmaps,secrets,serviceaccounts,persistentvolumeclaims,"
    "networkpolicies,poddisruptionbudgets,certificates"
)


def content(resource: dict[str, Any]) -> dict[str, Any]:
    """All of an object but its status, and what the API server and a status's writers note at each write."""
    kept = {key: value for key, value in resource.items() if key != "status"}
    meta = {key: value for key, value in resource["metadata"].items() if key != "resourceVersion"}
    if "managedFields" in meta:
        meta["managedFields"] = [entry for entry in meta["managedFields"] if entry.get("subresource") != "status"]
    return kept | {"metadata": meta}


def owned(namespace: Namespace, server: str) -> dict[str, dict[str, Any]]:
    """The content of every object of a server, by kind and name."""
    items = namespace.objects(OWNED_KINDS, f"ftps-operator.io/server={server}")
    return {f"{item['kind']} {item['metadata']['name']}": content(item) for item in items}


def ftps_user(name: str, server: str, namespace: str | None = None, /, **spec: Any) -> dict[str, Any]:
    """An FtpsUser with a password in a Secret of its own name, unless told otherwise."""
    reference = {"name": server} | ({"namespace": namespace} if namespace else {})
    fields = spec if "passwordHashSecretRef" in spec else {"passwordSecretRef": {"name": name}} | spec
    return {
        "apiVersion": "ftps-operator.io/v1alpha1",
        "kind": "FtpsUser",
        "metadata": {"name": name},
        "spec": {"serverRef": reference} | fields,
    }
