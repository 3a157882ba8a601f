"""What Flux and others make of a resource's status.

The rules of https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/status/generic.go, in their order.
"""

from typing import Any

TERMINATING, IN_PROGRESS, FAILED, CURRENT = "Terminating", "InProgress", "Failed", "Current"


def kstatus(resource: dict[str, Any]) -> str:
    """The status of a custom resource."""
    meta, status = resource["metadata"], resource.get("status", {})
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    if "deletionTimestamp" in meta:
        return TERMINATING
    if "observedGeneration" in status and status["observedGeneration"] != meta["generation"]:
        return IN_PROGRESS
    if conditions.get("Reconciling") == "True":
        return IN_PROGRESS
    if conditions.get("Stalled") == "True":
        return FAILED
    if conditions.get("Ready", "True") != "True":
        return IN_PROGRESS
    return CURRENT
