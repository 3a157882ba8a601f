"""How clients reach a server: control ports, passive ports, the Service."""

from enum import StrEnum

from pydantic import Field

from ftps_operator.models.base import CidrText, Model, PortNumber, Rule

AUTO = "Auto"
NODE_PORTS = range(30000, 32768)


class Explicit(Model):
    """Explicit FTPS: the connection starts in clear and upgrades with AUTH TLS (RFC 4217)."""

    enabled: bool = True
    port: PortNumber = 21
    """The Service's port."""


class Implicit(Model):
    """Implicit FTPS: TLS from the first byte."""

    enabled: bool = True
    port: PortNumber = 990
    """The Service's port."""


class AddressOverride(Model):
    """Clients of some networks are told another passive address."""

    cidrs: list[CidrText] = Field(min_length=1, max_length=64)
    """The clients' networks."""
    address: str = Field(min_length=1, max_length=253)
    """An IPv4 address or a host name."""


class Passive(Model):
    """The passive ports: firstPort … firstPort + portsPerReplica * maxReplicas - 1. Fixed at creation."""

    first_port: int = Field(default=50000, ge=10000, le=65535)
    """The first port of the range. With a NodePort Service the range must lie within 30000-32767."""
    ports_per_replica: int = Field(default=20, ge=2, le=500)
    """How many of the ports belong to one replica: half of them serve at a time, and the other half after a rollout."""
    max_replicas: int = Field(default=2, ge=1, le=32)
    """How many replicas the range has room for."""
    address: str = Field(default=AUTO, min_length=1, max_length=253)
    """What PASV announces: `Auto` (the Service's own address, once it has one), an IPv4 address or a host name."""
    address_overrides: list[AddressOverride] = Field(default=[], max_length=32)
    """The first entry that holds the client's address wins over `address`."""
    shared_ports: bool = False
    """One port serves many sessions at a time: few ports do. Otherwise each waits for one session at a time."""

    rules = (
        Rule(
            "self.firstPort == oldSelf.firstPort && self.portsPerReplica == oldSelf.portsPerReplica"
            " && self.maxReplicas == oldSelf.maxReplicas",
            "firstPort, portsPerReplica and maxReplicas are fixed at creation: open transfers rely on them",
        ),
        Rule(
            "self.portsPerReplica * self.maxReplicas <= 1000",
            "portsPerReplica * maxReplicas must not exceed 1000 ports",
            lambda self: len(self.ports) <= 1000,
        ),
        Rule(
            "self.firstPort + self.portsPerReplica * self.maxReplicas <= 65536",
            "firstPort + portsPerReplica * maxReplicas must not exceed 65536",
            lambda self: self.ports.stop <= 65536,
        ),
    )

    @property
    def ports(self) -> range:
        """Every passive port of the server."""
        return range(self.first_port, self.first_port + self.ports_per_replica * self.max_replicas)


class Active(Model):
    """Active mode: the server connects to the client, from port 20 (explicit) or 989 (implicit)."""

    enabled: bool = False
    """Only where pods see the clients' own addresses: the server connects to none but the one that it sees."""


class ServiceType(StrEnum):
    """As in a Service."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class TrafficPolicy(StrEnum):
    """As in a Service."""

    LOCAL = "Local"
    CLUSTER = "Cluster"


class IpFamilyPolicy(StrEnum):
    """As in a Service."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


class IpFamily(StrEnum):
    """As in a Service."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"


class LoadBalancerProfile(StrEnum):
    """Whose load balancer it is."""

    GENERIC = "Generic"
    AWS_NLB = "AwsNlb"
    GCP = "Gcp"
    AZURE = "Azure"
    METAL_LB = "MetalLB"
    CILIUM = "Cilium"


class ProxyProtocol(Model):
    """The PROXY protocol, by which a load balancer tells the client's address."""

    enabled: bool = False
    """Control and passive ports take only connections that begin with its header."""
    allowed_proxies: list[CidrText] = Field(default=[], max_length=64)
    """The load balancer's own networks: nobody else may say who the client is, or connect at all."""

    rules = (
        Rule(
            "!self.enabled || self.allowedProxies.size() > 0",
            "proxyProtocol needs allowedProxies",
            lambda self: not self.enabled or bool(self.allowed_proxies),
        ),
    )


class Service(Model):
    """The one Service of the server."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """With NodePort, every passive port is its own node port."""
    annotations: dict[str, str] = {}
    """They win over those of `loadBalancerProfile`."""
    labels: dict[str, str] = {}
    load_balancer_class: str | None = Field(default=None, min_length=1)
    """Fixed as long as the Service is of type LoadBalancer."""
    load_balancer_source_ranges: list[CidrText] = Field(default=[], max_length=256)
    load_balancer_profile: LoadBalancerProfile = LoadBalancerProfile.GENERIC
    """Adds the annotations that this vendor's load balancer needs, and refuses more ports than it takes."""
    external_traffic_policy: TrafficPolicy = TrafficPolicy.LOCAL
    """Local keeps the clients' addresses, and several replicas on one node; Cluster lets them spread."""
    ip_family_policy: IpFamilyPolicy = IpFamilyPolicy.SINGLE_STACK
    ip_families: list[IpFamily] = Field(default=[], max_length=2)
    allocate_load_balancer_node_ports: bool = True
    """False spares a node port for each passive port, where the load balancer needs none."""
    proxy_protocol: ProxyProtocol = ProxyProtocol()

    rules = (
        Rule(
            "self.type == 'LoadBalancer' ||"
            " (!has(self.loadBalancerClass) && self.loadBalancerSourceRanges.size() == 0)",
            "loadBalancerClass and loadBalancerSourceRanges need type LoadBalancer",
            lambda self: (
                self.type is ServiceType.LOAD_BALANCER
                or (self.load_balancer_class is None and not self.load_balancer_source_ranges)
            ),
        ),
    )

    @property
    def is_local(self) -> bool:
        """Whether a node gives connections from outside to its own pods only."""
        return self.type is not ServiceType.CLUSTER_IP and self.external_traffic_policy is TrafficPolicy.LOCAL
