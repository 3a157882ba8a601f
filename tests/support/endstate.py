"""What has become of FtpsServers, so that it can be compared: without what is another each time."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from support.servers import OWNED_KINDS
from testbed import Cluster

PAUSE_SECONDS = 1.0
OWNER = "ftps-operator.io/server"
Manifest = dict[str, Any]

# Digests that names are a part of, and a counter of how often a Deployment was changed.
_ANNOTATIONS = {"ftps-operator.io/applied", "ftps-operator.io/template", "deployment.kubernetes.io/revision"}
# Which half of a shard's passive ports its pods have depends on how often they were replaced.
_HALVES = "ftps-operator.io/passive-ports"


class EndStates:
    """Those of all servers in namespaces whose names begin alike, for several threads that wait for them."""

    def __init__(self, cluster: Cluster, namespaces: str) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._lock = threading.Lock()
        self._looked = 0.0
        self._states: dict[tuple[str, str], str] = {}

    def look(self) -> dict[tuple[str, str], str]:
        """The end state by namespace and name, as it was a moment ago: kubectl takes its time."""
        with self._lock:
            if time.monotonic() - self._looked > PAUSE_SECONDS:
                self._states = _end_states(self._cluster, self._namespaces)
                self._looked = time.monotonic()
            return self._states


def _end_states(cluster: Cluster, namespaces: str) -> dict[tuple[str, str], str]:
    kinds = f"ftpsservers,{OWNED_KINDS}"
    items: list[Manifest] = json.loads(cluster.kubectl("get", kinds, "-A", "-o", "json"))["items"]
    found: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for item in items:
        meta = item["metadata"]
        name = meta["name"] if item["kind"] == "FtpsServer" else meta.get("labels", {}).get(OWNER)
        if name is not None and meta["namespace"].startswith(namespaces):
            found[meta["namespace"], name].append(item)
    return {key: _text(*key, of_server) for key, of_server in found.items()}


def _text(namespace: str, name: str, items: list[Manifest]) -> str:
    parts = sorted(json.dumps(_kept(item), sort_keys=True) for item in items)
    address = next((item["spec"]["clusterIP"] for item in items if item["kind"] == "Service"), "none")
    return "\n".join(parts).replace(address, "ADDRESS").replace(namespace, "NAMESPACE").replace(name, "SERVER")


def _kept(item: Manifest) -> Manifest:
    meta = item["metadata"]
    kept = {key: value for key, value in item.items() if key not in ("metadata", "status")}
    kept["metadata"] = {
        "name": meta["name"],
        "labels": meta.get("labels"),
        "annotations": sorted(set(meta.get("annotations", {})) - _ANNOTATIONS),
        "owners": [owner["name"] for owner in meta.get("ownerReferences", [])],
    }
    if item["kind"] == "Secret":
        kept["data"] = sorted(item["data"])
    if item["kind"] == "Deployment":
        kept["spec"] = _whichever_half(item["spec"])
    if item["kind"] == "FtpsServer":
        kept["spec"] = {key: value for key, value in item["spec"].items() if key != "operatorClass"}
        kept["status"] = _outcome(item)
    return kept


def _outcome(server: Manifest) -> Manifest:
    status = server.get("status", {})
    told = {key: status.get(key) for key in ("endpoints", "passivePorts", "users")}
    conditions = status.get("conditions", [])
    told["conditions"] = sorted(f"{each['type']}={each['status']}: {each['reason']}" for each in conditions)
    return told | {"isOfThisGeneration": status.get("observedGeneration") == server["metadata"]["generation"]}


def _whichever_half(spec: Manifest) -> Manifest:
    copy: Manifest = json.loads(json.dumps(spec))
    annotations = copy["template"]["metadata"]["annotations"]
    for name in (*_ANNOTATIONS, _HALVES):
        annotations.pop(name, None)
    (container,) = copy["template"]["spec"]["containers"]
    del container["args"]
    container["ports"] = [port["name"] for port in container["ports"] if not port["name"].startswith("p")]
    return copy


def is_through(state: str) -> bool:
    """Whether the operator has seen the newest generation, and is through with it."""
    return '"isOfThisGeneration": true' in state and "Reconciling=True: Progressing" not in state


def differences(one: str, other: str) -> Iterator[str]:
    """The objects that are not the same."""
    yield from sorted(set(one.split("\n")) ^ set(other.split("\n")))
