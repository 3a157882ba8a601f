"""The ServiceAccount of the pods."""

from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata


def build_service_account(server: FtpsServer) -> Manifest:
    """Build an account that may do nothing and whose token is not mounted."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(server, server.metadata.name),
        "automountServiceAccountToken": False,
    }
