"""The Secrets that the operator writes: password hashes, and a certificate that it signed itself."""

import json
from base64 import b64encode

from ftps_operator.constants import GROUP
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata, tls_name, users_name
from ftps_server.config import CERTIFICATE_FILE, PRIVATE_KEY_FILE, USERS_FILE, UsersConfig

SOURCES_KEY = "sources.json"
"""Which version of which Secret each hash was made of; not mounted."""
ISSUER_GROUP_ANNOTATION = "cert-manager.io/issuer-group"
"""Who has signed. cert-manager takes whatever is in its Secret for its own, unless somebody else is named."""


def build_users_secret(server: FtpsServer, users: UsersConfig, sources: dict[str, str]) -> Manifest:
    """Build the Secret of hashes. `sources` maps a user to what its hash was made of."""
    return _secret(
        server,
        users_name(server.metadata.name),
        kind="Opaque",
        files={
            USERS_FILE.name: users.model_dump_json(by_alias=True, exclude_none=True).encode(),
            SOURCES_KEY: json.dumps(sources, sort_keys=True).encode(),
        },
    )


def build_tls_secret(server: FtpsServer, *, certificate: bytes, private_key: bytes) -> Manifest:
    """Build the Secret of a self-signed certificate (PEM)."""
    secret = _secret(
        server,
        tls_name(server.metadata.name),
        kind="kubernetes.io/tls",
        files={CERTIFICATE_FILE.name: certificate, PRIVATE_KEY_FILE.name: private_key},
    )
    secret["metadata"]["annotations"] = {ISSUER_GROUP_ANNOTATION: GROUP}
    return secret


def _secret(server: FtpsServer, name: str, *, kind: str, files: dict[str, bytes]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(server, name),
        "type": kind,
        "data": {key: b64encode(content).decode() for key, content in files.items()},
    }
