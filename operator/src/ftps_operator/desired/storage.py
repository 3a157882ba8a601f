"""The PersistentVolumeClaim."""

from typing import Any

from ftps_operator.models.server import FtpsServer
from ftps_operator.models.storage import DeletionPolicy, PersistentVolumeClaim
from ftps_operator.naming import Manifest, data_name, metadata


def build_claim(server: FtpsServer, wanted: PersistentVolumeClaim) -> Manifest:
    """Build the claim. With deletionPolicy Retain it has no owner: nothing deletes it with the server."""
    spec: dict[str, Any] = {
        "accessModes": [mode.value for mode in wanted.access_modes],
        "resources": {"requests": {"storage": str(wanted.size)}},
    }
    if wanted.storage_class_name is not None:
        spec["storageClassName"] = wanted.storage_class_name
    owned = wanted.deletion_policy is DeletionPolicy.DELETE
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(server, data_name(server.metadata.name), owned=owned),
        "spec": spec,
    }
