"""FtpsServer: one FTPS server, everything around it included."""

from typing import Annotated, Self

from pydantic import Field

from ftps_operator.constants import OPERATOR_CLASS
from ftps_operator.models.base import Model, ObjectName, Rule, keyed_by
from ftps_operator.models.exposure import NODE_PORTS, Active, Explicit, Implicit, Passive, Service, ServiceType
from ftps_operator.models.limits import Limits
from ftps_operator.models.networkpolicy import NetworkPolicy
from ftps_operator.models.pod import ImagePullPolicy, ImagePullSecret, Monitoring, PodDisruptionBudget, Resources
from ftps_operator.models.scheduling import Affinity, Toleration, TopologySpreadConstraint
from ftps_operator.models.storage import Storage
from ftps_operator.models.tenancy import AllowedUserNamespaces
from ftps_operator.models.tls import ClientAuthMode, Tls
from ftps_operator.models.users import User

LAST_PASSIVE_PORT = "self.passive.firstPort + self.passive.portsPerReplica * self.passive.maxReplicas - 1"


def _node_ports_are_possible(self: "FtpsServerSpec") -> bool:
    ports = self.passive.ports
    return self.service.type is not ServiceType.NODE_PORT or (ports[0] in NODE_PORTS and ports[-1] in NODE_PORTS)


def _passive_ports_are_apart(self: "FtpsServerSpec") -> bool:
    return all(not mode.enabled or mode.port not in self.passive.ports for mode in (self.explicit, self.implicit))


def _client_certificates_are_asked_for(self: "FtpsServerSpec") -> bool:
    return self.tls.client_auth.mode is not ClientAuthMode.NONE or all(
        user.client_certificate is None for user in self.users
    )


class FtpsServerSpec(Model):
    """What the server should be."""

    operator_class: str | None = Field(default=None, pattern=OPERATOR_CLASS)
    """Which operator looks after the server: one of just this class; none, one without a class."""
    explicit: Explicit = Explicit()
    implicit: Implicit = Implicit()
    passive: Passive = Passive()
    active: Active = Active()
    tls: Tls
    service: Service = Service()
    storage: Storage
    users: Annotated[list[User], Field(max_length=1000, json_schema_extra=keyed_by("name"))] = []
    allowed_user_namespaces: AllowedUserNamespaces = AllowedUserNamespaces()
    limits: Limits = Limits()
    network_policy: NetworkPolicy = NetworkPolicy()
    monitoring: Monitoring = Monitoring()
    replicas: int = Field(default=1, ge=1, le=32)
    """Each is a shard: a Deployment of its own, with passive ports of its own."""
    image: str | None = Field(default=None, min_length=1)
    """The server's image; the one that the operator was installed with where nothing is said."""
    image_pull_policy: ImagePullPolicy = ImagePullPolicy.IF_NOT_PRESENT
    image_pull_secrets: list[ImagePullSecret] = []
    resources: Resources = Resources()
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    affinity: Affinity = Affinity()
    topology_spread_constraints: list[TopologySpreadConstraint] = []
    priority_class_name: str | None = Field(default=None, min_length=1)
    service_account_name: ObjectName | None = None
    """A ServiceAccount that somebody else keeps; without it the operator makes one that may do nothing."""
    pod_labels: dict[str, str] = {}
    pod_annotations: dict[str, str] = {}
    termination_grace_period_seconds: int = Field(default=60, ge=10)
    """How long a pod that ends lets transfers finish."""
    pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget()

    rules = (
        Rule(
            "self.explicit.enabled || self.implicit.enabled",
            "at least one of explicit and implicit must be enabled",
            lambda self: self.explicit.enabled or self.implicit.enabled,
        ),
        Rule(
            "!self.explicit.enabled || !self.implicit.enabled || self.explicit.port != self.implicit.port",
            "explicit.port and implicit.port must differ",
            lambda self: (
                not self.explicit.enabled or not self.implicit.enabled or self.explicit.port != self.implicit.port
            ),
        ),
        Rule(
            " && ".join(
                f"(!self.{mode}.enabled || self.{mode}.port < self.passive.firstPort"
                f" || self.{mode}.port > {LAST_PASSIVE_PORT})"
                for mode in ("explicit", "implicit")
            ),
            "explicit.port and implicit.port must lie outside the passive range",
            _passive_ports_are_apart,
        ),
        Rule(
            f"self.service.type != 'NodePort' || (self.passive.firstPort >= {NODE_PORTS.start}"
            f" && {LAST_PASSIVE_PORT} < {NODE_PORTS.stop})",
            "with service.type NodePort the passive range must lie within 30000-32767",
            _node_ports_are_possible,
        ),
        Rule(
            "self.replicas <= self.passive.maxReplicas",
            "replicas must not exceed passive.maxReplicas",
            lambda self: self.replicas <= self.passive.max_replicas,
        ),
        Rule(
            "self.replicas == 1 || !has(self.storage.persistentVolumeClaim)"
            " || !('ReadWriteOncePod' in self.storage.persistentVolumeClaim.accessModes)",
            "storage.persistentVolumeClaim.accessModes ReadWriteOncePod allows one replica only",
            lambda self: self.replicas == 1 or not self.storage.is_bound_to_a_pod,
        ),
        Rule(
            "self.tls.clientAuth.mode != 'None' || !self.users.exists(user, has(user.clientCertificate))",
            "users[].clientCertificate needs tls.clientAuth.mode Optional or Required",
            _client_certificates_are_asked_for,
        ),
    )


class Metadata(Model):
    """What the operator reads of an object's metadata."""

    name: str
    namespace: str
    uid: str
    generation: int = 0
    creation_timestamp: str = ""
    annotations: dict[str, str] = {}
    deletion_timestamp: str | None = None


class FtpsServer(Model):
    """A server as the API server holds it."""

    metadata: Metadata
    spec: FtpsServerSpec

    @classmethod
    def parse(cls, body: object) -> Self:
        """Read an object. Raises pydantic.ValidationError, whose locations are the field paths."""
        return cls.model_validate(body)
