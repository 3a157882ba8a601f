"""What a server's pods are made of besides the server itself."""

from enum import StrEnum

from pydantic import Field

from ftps_operator.models.base import IntOrString, Model, ObjectName, Rule
from ftps_operator.models.quantity import Quantity


class ImagePullPolicy(StrEnum):
    """As in a PodSpec."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ImagePullSecret(Model):
    """A Secret with a registry's credentials."""

    name: ObjectName


class Resources(Model):
    """As in a PodSpec."""

    limits: dict[str, Quantity] | None = None
    requests: dict[str, Quantity] | None = None


class PodDisruptionBudget(Model):
    """How many replicas a drain of nodes may take at once; one where nothing is said."""

    enabled: bool = True
    max_unavailable: IntOrString | None = None
    min_available: IntOrString | None = None

    rules = (
        Rule(
            "!(has(self.maxUnavailable) && has(self.minAvailable))",
            "maxUnavailable and minAvailable exclude each other",
            lambda self: self.max_unavailable is None or self.min_available is None,
        ),
    )


class Monitoring(Model):
    """Objects for the Prometheus operator."""

    enabled: bool = False
    pod_monitor: bool = False
    """Make a PodMonitor."""
    labels: dict[str, str] = Field(default={})
    """Labels by which a Prometheus finds the PodMonitor."""

    rules = (
        Rule(
            "!self.enabled && !self.podMonitor && self.labels.size() == 0",
            "monitoring is not supported yet",
            lambda self: not (self.enabled or self.pod_monitor or self.labels),
        ),
    )
