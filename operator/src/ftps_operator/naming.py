"""What the objects of a server are called, labelled and owned by."""

from typing import Any

from ftps_operator.constants import (
    API_VERSION,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    NAME,
    NAME_LABEL,
    SERVER_LABEL,
    SHARD_LABEL,
)
from ftps_operator.kinds import (
    CERTIFICATE,
    CONFIG_MAP,
    DEPLOYMENT,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from ftps_operator.models.server import FtpsServer

Manifest = dict[str, Any]


def shard_name(server: str, ordinal: int) -> str:
    """The Deployment of one shard."""
    return f"{server}-{ordinal}"


def config_name(server: str) -> str:
    """The ConfigMap with the server's configuration."""
    return f"{server}-config"


def users_name(server: str) -> str:
    """The Secret with the password hashes."""
    return f"{server}-users"


def tls_name(server: str) -> str:
    """The Certificate, and the Secret with certificate and key."""
    return f"{server}-tls"


def data_name(server: str) -> str:
    """The PersistentVolumeClaim."""
    return f"{server}-data"


def slots(server: FtpsServer) -> tuple[tuple[Kind, str], ...]:
    """Every object that the operator may own for a server; what is not wanted of it is pruned."""
    name = server.metadata.name
    return (
        (SERVICE_ACCOUNT, name),
        (CONFIG_MAP, config_name(name)),
        (SECRET, users_name(name)),
        (SECRET, tls_name(name)),
        (CERTIFICATE, tls_name(name)),
        (PERSISTENT_VOLUME_CLAIM, data_name(name)),
        (NETWORK_POLICY, name),
        (POD_DISRUPTION_BUDGET, name),
        (SERVICE, name),
        *((DEPLOYMENT, shard_name(name, ordinal)) for ordinal in range(server.spec.passive.max_replicas)),
    )


def claimed_slots(server: FtpsServer) -> tuple[tuple[Kind, str], ...]:
    """The slots that the spec wants something in, now or once it is possible."""
    name, spec = server.metadata.name, server.spec
    wanted = {
        (SERVICE_ACCOUNT, name): spec.service_account_name is None,
        (SECRET, tls_name(name)): spec.tls.secret_name is None,
        (CERTIFICATE, tls_name(name)): spec.tls.cert_manager is not None,
        (PERSISTENT_VOLUME_CLAIM, data_name(name)): spec.storage.persistent_volume_claim is not None,
        (NETWORK_POLICY, name): spec.network_policy.enabled,
        (POD_DISRUPTION_BUDGET, name): spec.pod_disruption_budget.enabled,
    }
    surplus = {(DEPLOYMENT, shard_name(name, ordinal)) for ordinal in range(spec.replicas, spec.passive.max_replicas)}
    return tuple(slot for slot in slots(server) if wanted.get(slot, True) and slot not in surplus)


def pod_selector(server: str) -> dict[str, str]:
    """Selects the pods of all shards."""
    return {NAME_LABEL: NAME, SERVER_LABEL: server}


def shard_selector(server: str, ordinal: int) -> dict[str, str]:
    """Selects the pods of one shard."""
    return pod_selector(server) | {SHARD_LABEL: str(ordinal)}


def labels(server: str) -> dict[str, str]:
    """The labels of every object.

    None is taken from the FtpsServer: Argo CD's tracking label on a child would make the child an extra of the
    application (https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/).
    """
    return pod_selector(server) | {MANAGED_BY_LABEL: MANAGED_BY}


def owner_reference(server: FtpsServer) -> Manifest:
    """Deleting the server deletes its objects, with no finalizer on it (blockOwnerDeletion would need one)."""
    return {
        "apiVersion": API_VERSION,
        "kind": "FtpsServer",
        "name": server.metadata.name,
        "uid": server.metadata.uid,
        "controller": True,
    }


def metadata(server: FtpsServer, name: str, *, owned: bool = True) -> Manifest:
    """The metadata of an object of a server."""
    result: Manifest = {
        "name": name,
        "namespace": server.metadata.namespace,
        "labels": labels(server.metadata.name),
    }
    if owned:
        result["ownerReferences"] = [owner_reference(server)]
    return result


def is_ours(live: Manifest, server: FtpsServer) -> bool:
    """Whether an object belongs to this very server.

    A claim with deletionPolicy Retain has no owner; it counts by its label, so that a server made anew finds its files.
    """
    meta = live["metadata"]
    owners = meta.get("ownerReferences", [])
    if any(owner.get("controller") for owner in owners):
        return any(owner["uid"] == server.metadata.uid for owner in owners)
    ours = {MANAGED_BY_LABEL: MANAGED_BY, SERVER_LABEL: server.metadata.name}
    return ours.items() <= (meta.get("labels") or {}).items()
