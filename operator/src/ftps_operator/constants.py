"""Names that other people's tools rely on: the API group, labels, annotations, conditions."""

from enum import StrEnum

GROUP = "ftps-operator.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "ftps-operator"
STATUS_FIELD_MANAGER = "ftps-operator-status"

OPERATOR_CLASS = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""What a class of operators may be called: it becomes a part of their Lease's name."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "ftps-operator"
NAME_LABEL = "app.kubernetes.io/name"
NAME = "ftps-server"
SERVER_LABEL = f"{GROUP}/server"
"""The FtpsServer that an object belongs to, of the same namespace."""
SHARD_LABEL = f"{GROUP}/shard"
"""The ordinal of the shard that a pod belongs to."""

PAUSED_ANNOTATION = f"{GROUP}/paused"
"""`"true"` on an FtpsServer: nothing but its status is written."""
MODE_ANNOTATION = f"{GROUP}/mode"
"""`"plan"` on an FtpsServer: nothing but its status is written, which says what would be."""
PLAN_MODE = "plan"
CONFIG_ANNOTATION = f"{GROUP}/config"
"""On a pod template: digest of what the server reads at start. A change is a rollout."""
TEMPLATE_ANNOTATION = f"{GROUP}/template"
"""On a pod template: digest of what the operator wants of it, whatever half of the shard's ports it has."""
PORTS_ANNOTATION = f"{GROUP}/passive-ports"
"""On a pod template: the passive ports that the pod serves, first and last."""
APPLIED_ANNOTATION = f"{GROUP}/applied"
"""On everything that the operator writes: digest of the manifest. While it stands there is nothing to write."""
RELOAD_ANNOTATION = f"{GROUP}/reload"
"""On a pod: digest of what the server reloads. A change makes the kubelet refresh the mounted files at once."""


CERTIFICATE_EXPIRING = "CertificateExpiring"
"""The reason of CertificateReady while the certificate is good, but not for long."""


class ConditionType(StrEnum):
    """The conditions of an FtpsServer."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    CERTIFICATE_READY = "CertificateReady"
    ADDRESS_ASSIGNED = "AddressAssigned"
    USERS_READY = "UsersReady"
    CLIENT_AUTH_READY = "ClientAuthReady"
    AVAILABLE = "Available"
    NETWORK_POLICY_APPLIED = "NetworkPolicyApplied"
    PAUSED = "Paused"
    PLANNED = "Planned"
