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
from ftps_operator.secretview import SecretView
from ftps_server.config import (
    ADDRESS_FILE,
    CERTIFICATE_FILE,
    CLIENT_CA_FILE,
    CLIENT_CRL_FILE,
    SERVER_FILE,
    USERS_FILE,
)


def reload_digest(server: FtpsServer, observed: Observed) -> str:
    """The digest of limits, address, users, certificate and clients' authorities as they are in the cluster."""
    config = (observed.config_map(server) or {}).get("data", {})
    files = [
        (users_name(server.metadata.name), USERS_FILE),
        (tls_secret_name(server), CERTIFICATE_FILE),
    ]
    if (authorities := server.spec.tls.client_auth.authorities) is not None:
        files += [(authorities, CLIENT_CA_FILE), (authorities, CLIENT_CRL_FILE)]
    return digest(
        config.get(SERVER_FILE.name, ""),
        config.get(ADDRESS_FILE.name, ""),
        *(_text(observed.secrets.get(name), file.name) for name, file in files),
    )


def _text(secret: SecretView | None, key: str) -> str:
    return secret.data.get(key, b"").decode(errors="replace") if secret else ""


def pods_to_touch(observed: Observed, wanted: str) -> list[str]:
    """The names of the pods that have not been told."""
    return [pod["metadata"]["name"] for pod in observed.pods if _told(pod) != wanted]


def _told(pod: Manifest) -> str | None:
    annotations: dict[str, str] = pod["metadata"].get("annotations") or {}
    return annotations.get(RELOAD_ANNOTATION)
