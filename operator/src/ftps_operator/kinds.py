"""The kinds that the operator reads or writes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ftps_operator.constants import API_VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind, and how its objects are addressed. All but Namespace are namespaced."""

    api_version: str
    kind: str
    plural: str


FTPS_SERVER = Kind(API_VERSION, "FtpsServer", "ftpsservers")
FTPS_USER = Kind(API_VERSION, "FtpsUser", "ftpsusers")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
PERSISTENT_VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD = Kind("v1", "Pod", "pods")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE = Kind("v1", "Service", "services")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
CERTIFICATE = Kind("cert-manager.io/v1", "Certificate", "certificates")
CERTIFICATE_REQUEST = Kind("cert-manager.io/v1", "CertificateRequest", "certificaterequests")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

WATCHED_CHILDREN = (
    SERVICE,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    DEPLOYMENT,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    CERTIFICATE,
)
"""What belongs to a server and is watched. Never Secrets: listing them is a right that the operator does without."""
WATCHED = (FTPS_SERVER, FTPS_USER, *WATCHED_CHILDREN)
"""What is watched by any operator."""


def watched(namespaces: Collection[str]) -> tuple[Kind, ...]:
    """What is watched by an operator of these namespaces. Of namespaces only one of the whole cluster may know."""
    return WATCHED if namespaces else (NAMESPACE, *WATCHED)


_KNOWN = {
    (kind.api_version, kind.kind): kind
    for kind in (
        FTPS_SERVER,
        FTPS_USER,
        NAMESPACE,
        CONFIG_MAP,
        PERSISTENT_VOLUME_CLAIM,
        POD,
        SECRET,
        SERVICE,
        SERVICE_ACCOUNT,
        DEPLOYMENT,
        NETWORK_POLICY,
        POD_DISRUPTION_BUDGET,
        CERTIFICATE,
        CERTIFICATE_REQUEST,
        EVENT,
        LEASE,
    )
}


def of(manifest: dict[str, Any]) -> Kind:
    """The kind of an object."""
    return _KNOWN[manifest["apiVersion"], manifest["kind"]]
