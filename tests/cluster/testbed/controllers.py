"""What a cloud does for a cluster: load balancers' addresses, and volumes.

Run as a process of its own inside the control plane's namespace: `python -m testbed.controllers`.
"""

import ipaddress
import os
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

from testbed.apiclient import ApiError, Client, Object
from testbed.network import LOAD_BALANCER_RANGE
from testbed.paths import Instance
from testbed.routes import Routes

FIRST_ADDRESS = 10
RETRY_SECONDS = 0.2
CONFLICT = 409
STORAGE_CLASS = "standard"
PROVISIONER = "testbed.ftps-operator.io/folder"
LOAD_BALANCER_CLASSES = (None, "testbed.ftps-operator.io/lb")
HOSTNAME_ANNOTATION = "testbed.ftps-operator.io/hostname"
"""On a Service: publish this host name in place of an address, as some clouds do."""


class Controller(Protocol):
    """What follows one kind of object."""

    path: str
    """Where the API server lists it."""

    def listed(self, items: list[Object]) -> None:
        """All that there is, before each is handled."""

    def handle(self, event: str, item: Object, /) -> None:
        """React to one change."""


def free_address(taken: Iterable[str]) -> str:
    """The first address of the pool that nobody has."""
    used = set(taken)
    hosts = list(ipaddress.ip_network(LOAD_BALANCER_RANGE).hosts())[FIRST_ADDRESS - 1 :]
    return next(str(host) for host in hosts if str(host) not in used)


class LoadBalancers:
    """Gives a Service of type LoadBalancer, of no class or ours, an address of the pool, and takes it back."""

    path = "/api/v1/services"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._addresses: dict[str, str] = {}
        self._checked: dict[str, int] = {}

    def local(self) -> dict[str, int]:
        """The addresses that only some nodes take connections for, each with the port that tells which."""
        checked = dict(self._checked)
        return {address: checked[uid] for uid, address in dict(self._addresses).items() if uid in checked}

    def listed(self, services: list[Object]) -> None:
        """Know who has which address before any is given: a watch that ended may have missed a deletion."""
        self._addresses = {
            service["metadata"]["uid"]: entry["ip"]
            for service in services
            if _is_ours(service)
            for entry in _ingress(service)
            if "ip" in entry
        }

    def handle(self, event: str, service: Object) -> None:
        """React to one change of a Service."""
        meta = service["metadata"]
        ingress = _ingress(service)
        self._checked.pop(meta["uid"], None)
        if event == "DELETED" or not _is_ours(service):
            self._addresses.pop(meta["uid"], None)
            # What another class's controller has published is not ours to take back.
            if event != "DELETED" and ingress and _class_is_ours(service):
                self._publish(meta, [])
            return
        hostname = meta.get("annotations", {}).get(HOSTNAME_ANNOTATION)
        if hostname:
            published = [{"hostname": hostname}]
        else:
            address = self._addresses.get(meta["uid"]) or free_address(self._addresses.values())
            self._addresses[meta["uid"]] = address
            if port := service["spec"].get("healthCheckNodePort"):
                self._checked[meta["uid"]] = port
            published = [{"ip": address, "ipMode": "VIP"}]
        if ingress != published:
            self._publish(meta, published)

    def _publish(self, meta: Object, ingress: list[dict[str, str]]) -> None:
        path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status"
        self._client.request("PATCH", path, {"status": {"loadBalancer": {"ingress": ingress or None}}})


def _is_ours(service: Object) -> bool:
    return service["spec"].get("type") == "LoadBalancer" and _class_is_ours(service)


def _class_is_ours(service: Object) -> bool:
    return service["spec"].get("loadBalancerClass") in LOAD_BALANCER_CLASSES


def _ingress(service: Object) -> list[Object]:
    return service.get("status", {}).get("loadBalancer", {}).get("ingress") or []


class Claims:
    """Makes a folder, and a volume for it, for every claim of the class `standard`.

    All nodes are on one machine: a folder is reached from each of them.
    """

    path = "/api/v1/persistentvolumeclaims"

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    def listed(self, items: list[Object]) -> None:
        """Nothing is remembered between changes."""

    def handle(self, event: str, claim: Object) -> None:
        """React to one change of a claim."""
        meta, spec = claim["metadata"], claim["spec"]
        if event == "DELETED" or spec.get("volumeName") or spec.get("storageClassName") != STORAGE_CLASS:
            return
        name = f"pvc-{meta['uid']}"
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # a hostPath volume is not handed to the pod's group
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {
                "capacity": spec["resources"]["requests"],
                "accessModes": spec["accessModes"],
                "storageClassName": STORAGE_CLASS,
                "persistentVolumeReclaimPolicy": "Delete",
                "hostPath": {"path": str(folder)},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": meta["namespace"],
                    "name": meta["name"],
                    "uid": meta["uid"],
                },
            },
        }
        try:
            self._client.request("POST", "/api/v1/persistentvolumes", volume)
        except ApiError as error:
            if error.status != CONFLICT:  # the claim has changed before it was bound: the volume is there already
                raise


class Volumes:
    """Removes the folder of a volume whose claim is gone."""

    path = "/api/v1/persistentvolumes"

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    def listed(self, items: list[Object]) -> None:
        """Nothing is remembered between changes."""

    def handle(self, event: str, volume: Object) -> None:
        """React to one change of a volume."""
        ours = volume["spec"].get("storageClassName") == STORAGE_CLASS
        if event == "DELETED" or not ours or volume.get("status", {}).get("phase") not in ("Released", "Failed"):
            return
        name = volume["metadata"]["name"]
        shutil.rmtree(self._folder / name, ignore_errors=True)
        self._client.request("DELETE", f"/api/v1/persistentvolumes/{name}")


def follow(client: Client, controller: Controller) -> None:
    """Watch for ever. What the API server refuses is tried again with the next listing."""
    path = controller.path
    while True:
        try:
            items, version = client.list(path)
            controller.listed(items)
            for item in items:
                controller.handle("ADDED", item)
            for event, item in client.watch(path, version):
                if event == "ERROR":
                    break
                controller.handle(event, item)
        # HTTPException: the API server was killed in the middle of an answer.
        except (ApiError, OSError, ValueError, HTTPException) as error:
            print(f"{path}: {error!r}", flush=True)
            time.sleep(RETRY_SECONDS)


def main() -> None:
    """Run every controller, each in a thread."""
    instance = Instance(sys.argv[1])
    client = Client(instance)
    folder = instance.data / "volumes"
    balancers = LoadBalancers(client)
    controllers: list[Controller] = [balancers, Claims(client, folder), Volumes(client, folder)]
    with ThreadPoolExecutor(len(controllers) + 1) as threads:
        running = [threads.submit(follow, client, each) for each in controllers]
        running.append(threads.submit(Routes(instance, nodes=int(sys.argv[2])).follow, balancers.local))
        # They never end, except by a mistake: then the process must end, too, so that it is seen.
        failed = next(as_completed(running)).exception()
        print(f"a controller has failed: {failed!r}", flush=True)
        os._exit(1)


if __name__ == "__main__":
    main()
