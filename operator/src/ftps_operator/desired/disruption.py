"""The PodDisruptionBudget."""

from typing import Any

from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata, pod_selector


def build_disruption_budget(server: FtpsServer) -> Manifest:
    """Build the budget; one pod at a time may be evicted where nothing is said, so that a single one can be, too.

    Those that share a node by a volume must leave it together: the first would not find another place.
    """
    wanted = server.spec.pod_disruption_budget
    spec: dict[str, Any] = {"selector": {"matchLabels": pod_selector(server.metadata.name)}}
    if wanted.min_available is not None:
        spec["minAvailable"] = wanted.min_available
    else:
        together = server.spec.replicas if server.spec.storage.is_bound_to_a_node else 1
        spec["maxUnavailable"] = together if wanted.max_unavailable is None else wanted.max_unavailable
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(server, server.metadata.name),
        "spec": spec,
    }
