"""What a vendor's load balancer wants of the Service, and how many ports it takes."""

from collections.abc import Callable
from dataclasses import dataclass

from ftps_operator.models.exposure import LoadBalancerProfile, Passive, ServiceType
from ftps_operator.models.server import FtpsServer
from ftps_operator.ports import control_ports, span

Annotations = dict[str, str]

_AWS = "service.beta.kubernetes.io/aws-load-balancer"
# The most it takes. A control connection is silent while a transfer goes on, and is cut after 350 s by default:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html
_AWS_IDLE_SECONDS = 6000
# The most that all of its versions take; the default is 4:
# https://learn.microsoft.com/azure/load-balancer/load-balancer-tcp-idle-timeout
_AZURE_IDLE_MINUTES = 30
_GCP_SINGLE_PORTS = 5
_GCP_TYPE = "networking.gke.io/load-balancer-type"
_LEAST_PASSIVE_PORTS = 2


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor's load balancer."""

    annotations: Callable[[FtpsServer], Annotations]
    most_ports: int | None = None
    """How many ports of a Service it takes; None where there is no limit."""
    counted_as: str = ""
    """What the vendor calls them, and whose limit it is."""


def _none(_: FtpsServer) -> Annotations:
    return {}


def _aws(server: FtpsServer) -> Annotations:
    """Of https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/annotations/.

    With `ip` the load balancer reaches the pods without node ports, and each passive port its own pod. The addresses of
    clients reach them by one of two ways: with a PROXY header the connection itself must come from the load balancer.
    """
    service = server.spec.service
    proxied = service.proxy_protocol.enabled
    annotations = {
        f"{_AWS}-nlb-target-type": "ip",
        f"{_AWS}-target-group-attributes": f"preserve_client_ip.enabled={'false' if proxied else 'true'}",
    }
    if service.load_balancer_class is None:
        # Or the cluster's own controller makes a load balancer, of another kind.
        annotations[f"{_AWS}-type"] = "external"
    if proxied:
        annotations[f"{_AWS}-proxy-protocol"] = "*"
    for port in control_ports(server):
        annotations[f"{_AWS}-listener-attributes.TCP-{port}"] = f"tcp.idle_timeout.seconds={_AWS_IDLE_SECONDS}"
    return annotations


def _gcp(server: FtpsServer) -> Annotations:
    """Of https://cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer.

    Without it an external load balancer is one of target pools, which take no new features.
    """
    service = server.spec.service
    is_chosen = service.load_balancer_class is not None or _GCP_TYPE in service.annotations
    return {} if is_chosen else {"cloud.google.com/l4-rbs": "enabled"}


def _azure(_: FtpsServer) -> Annotations:
    """Of https://cloud-provider-azure.sigs.k8s.io/topics/loadbalancer/."""
    return {"service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout": str(_AZURE_IDLE_MINUTES)}


VENDORS = {
    LoadBalancerProfile.GENERIC: Vendor(_none),
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html: not adjustable.
    LoadBalancerProfile.AWS_NLB: Vendor(_aws, 50, "listeners"),
    # It takes any number: see `remark`.
    LoadBalancerProfile.GCP: Vendor(_gcp),
    # https://cloud-provider-azure.sigs.k8s.io/topics/multislb/: of a node's network interface, all Services together.
    LoadBalancerProfile.AZURE: Vendor(_azure, 300, "rules, those of other Services included"),
    # No limit, and nothing that must be said: pools, shared addresses and the like are the user's own annotations.
    LoadBalancerProfile.METAL_LB: Vendor(_none),
    LoadBalancerProfile.CILIUM: Vendor(_none),
}


def build_annotations(server: FtpsServer) -> Annotations:
    """Build the Service's annotations; the user's own win."""
    service = server.spec.service
    if service.type is not ServiceType.LOAD_BALANCER:
        return service.annotations
    return VENDORS[service.load_balancer_profile].annotations(server) | service.annotations


def port_problem(server: FtpsServer) -> str:
    """Why the load balancer would refuse the ports, and what to change. Empty: it takes them."""
    service, passive = server.spec.service, server.spec.passive
    vendor = VENDORS[service.load_balancer_profile]
    needed = len(control_ports(server)) + len(passive.ports)
    if service.type is not ServiceType.LOAD_BALANCER or vendor.most_ports is None or needed <= vendor.most_ports:
        return ""
    modes = (("explicit", server.spec.explicit.enabled), ("implicit", server.spec.implicit.enabled))
    control = "".join(f"{name} 1 + " for name, enabled in modes if enabled)
    room = vendor.most_ports - len(control_ports(server))
    return (
        f"service.loadBalancerProfile {service.load_balancer_profile} allows {vendor.most_ports} {vendor.counted_as};"
        f" {control}passive {passive.ports_per_replica} x {passive.max_replicas} = {needed}:"
        f" make the FtpsServer anew, as they are fixed at creation, with {_choices(passive, room)}"
    )


def _choices(passive: Passive, room: int) -> str:
    choices = []
    if (per_replica := room // passive.max_replicas) >= _LEAST_PASSIVE_PORTS:
        choices.append(f"passive.portsPerReplica {per_replica}")
    if (replicas := room // passive.ports_per_replica) >= 1:
        choices.append(f"passive.maxReplicas {replicas}")
    return ", ".join([*choices, f"or passive.sharedPorts and passive.portsPerReplica {_LEAST_PASSIVE_PORTS}"])


def remark(server: FtpsServer) -> str:
    """What a person should know of how this load balancer treats the ports. Empty: nothing.

    https://github.com/kubernetes/ingress-gce/issues/2575: a forwarding rule has five single ports, or a range.
    """
    service = server.spec.service
    ports = [*control_ports(server), *server.spec.passive.ports]
    if (
        service.type is not ServiceType.LOAD_BALANCER
        or service.load_balancer_profile is not LoadBalancerProfile.GCP
        or len(ports) <= _GCP_SINGLE_PORTS
    ):
        return ""
    return (
        f"with more than {_GCP_SINGLE_PORTS} ports, here {len(ports)}, Gcp's forwarding rule passes on every port of"
        f" {span(range(min(ports), max(ports) + 1))}"
    )
