"""What a cloud does for a cluster: load balancers' addresses, and volumes.

Run as a process of its own inside the control plane's namespace: `python -m testbed.controllers`.
"""

import ipaddress
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from testbed.apiclient import ApiError, Client, Object
from testbed.network import LOAD_BALANCER_RANGE
from testbed.paths import Instance

FIRST_ADDRESS = 10
STORAGE_CLASS = "standard"
PROVISIONER = "testbed.ftps-operator.io/folder"
HOSTNAME_ANNOTATION = "testbed.ftps-operator.io/hostname"
"""On a Service: publish this host name in place of an address, as some clouds do."""


def free_address(taken: Iterable[str]) -> str:
    """The first address of the pool that nobody has."""
    used = set(taken)
    hosts = list(ipaddress.ip_network(LOAD_BALANCER_RANGE).hosts())[FIRST_ADDRESS - 1 :]
    return next(str(host) for host in hosts if str(host) not in used)


class LoadBalancers:
    """Gives every Service of type LoadBalancer without a class an address of the pool, and takes it back."""

    path = "/api/v1/services"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._addresses: dict[str, str] = {}

    def handle(self, event: str, service: Object) -> None:
        """React to one change of a Service."""
        meta, spec = service["metadata"], service["spec"]
        wanted = spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass")
        ingress: list[Object] = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        if event == "DELETED" or not wanted:
            self._addresses.pop(meta["uid"], None)
            if event != "DELETED" and ingress:
                self._publish(meta, [])
            return
        hostname = meta.get("annotations", {}).get(HOSTNAME_ANNOTATION)
        if hostname:
            published = [{"hostname": hostname}]
        else:
            assigned = self._addresses.get(meta["uid"]) or next((entry.get("ip") for entry in ingress), None)
            address = assigned or free_address(self._addresses.values())
            self._addresses[meta["uid"]] = address
            published = [{"ip": address, "ipMode": "VIP"}]
        if ingress != published:
            self._publish(meta, published)

    def _publish(self, meta: Object, ingress: list[dict[str, str]]) -> None:
        path = f"/api/v1/namespaces/{meta['namespace']}/services/{meta['name']}/status"
        self._client.request("PATCH", path, {"status": {"loadBalancer": {"ingress": ingress or None}}})


class Claims:
    """Makes a folder, and a volume for it, for every claim of the class `standard`.

    All nodes are on one machine: a folder is reached from each of them.
    """

    path = "/api/v1/persistentvolumeclaims"

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

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
        self._client.request("POST", "/api/v1/persistentvolumes", volume)


class Volumes:
    """Removes the folder of a volume whose claim is gone."""

    path = "/api/v1/persistentvolumes"

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    def handle(self, event: str, volume: Object) -> None:
        """React to one change of a volume."""
        ours = volume["spec"].get("storageClassName") == STORAGE_CLASS
        if event == "DELETED" or not ours or volume.get("status", {}).get("phase") not in ("Released", "Failed"):
            return
        name = volume["metadata"]["name"]
        shutil.rmtree(self._folder / name, ignore_errors=True)
        self._client.request("DELETE", f"/api/v1/persistentvolumes/{name}")


def follow(client: Client, path: str, handle: Callable[[str, Object], None]) -> None:
    """Watch for ever. What the API server refuses is tried again with the next listing."""
    while True:
        try:
            for event, item in client.watch(path):
                if event == "ERROR":
                    break
                handle(event, item)
        except (ApiError, OSError, ValueError) as error:
            print(f"{path}: {error}", flush=True)
            time.sleep(0.2)


def main() -> None:
    """Run every controller, each in a thread."""
    instance = Instance(sys.argv[1])
    client = Client(instance)
    folder = instance.data / "volumes"
    controllers: list[Any] = [LoadBalancers(client), Claims(client, folder), Volumes(client, folder)]
    threads = [
        threading.Thread(target=follow, args=(client, each.path, each.handle), daemon=True) for each in controllers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
