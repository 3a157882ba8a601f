"""What running servers reload, as one digest.

A pod sees a changed ConfigMap or Secret within about a minute; at once if the pod itself changes. So the digest is
written to an annotation of each pod after the files have changed.
"""

from ftps_operator.constants import RELOAD_ANNOTATION
from ftps_operator.desired.config import digest
from ftps_operator.desired.deployment import tls_secret_name
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, users_name
from ftps_operator.observed import Observed
from ftps_server.config import ADDRESS_FILE, CERTIFICATE_FILE, USERS_FILE


def reload_digest(server: FtpsServer, observed: Observed) -> str:
    """The digest of the address, the users and the certificate as they are in the cluster."""
    config = observed.config_map(server) or {}
    users = observed.secrets.get(users_name(server.metadata.name))
    tls = observed.secrets.get(tls_secret_name(server))
    return digest(
        config.get("data", {}).get(ADDRESS_FILE.name, ""),
        users.data.get(USERS_FILE.name, b"").decode() if users else "",
        tls.data.get(CERTIFICATE_FILE.name, b"").decode(errors="replace") if tls else "",
    )


def pods_to_touch(observed: Observed, wanted: str) -> list[str]:
    """The names of the pods that have not been told."""
    return [pod["metadata"]["name"] for pod in observed.pods if _told(pod) != wanted]


def _told(pod: Manifest) -> str | None:
    annotations: dict[str, str] = pod["metadata"].get("annotations") or {}
    return annotations.get(RELOAD_ANNOTATION)
