"""The kinds that the operator reads or writes."""

from dataclasses import dataclass
from typing import Any

from ftps_operator.constants import API_VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind, and how its objects are addressed. All of them are namespaced."""

    api_version: str
    kind: str
    plural: str


FTPS_SERVER = Kind(API_VERSION, "FtpsServer", "ftpsservers")
FTPS_USER = Kind(API_VERSION, "FtpsUser", "ftpsusers")
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
WATCHED = (FTPS_SERVER, *WATCHED_CHILDREN)

_KNOWN = {
    (kind.api_version, kind.kind): kind
    for kind in (
        FTPS_SERVER,
        FTPS_USER,
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
