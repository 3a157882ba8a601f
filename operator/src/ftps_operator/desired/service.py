"""The one Service: control ports, and every passive port of the whole range."""

from typing import Any

from ftps_operator.desired.loadbalancers import build_annotations
from ftps_operator.models.exposure import Service, ServiceType
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata, pod_selector
from ftps_operator.ports import EXPLICIT_NAME, IMPLICIT_NAME, passive_port_name


def build_service(server: FtpsServer) -> Manifest:
    """Build the Service.

    The target ports are named: a passive port reaches only the pods that declare its name, which are those of one
    shard (the EndpointSlice controller leaves the others out).
    """
    service = server.spec.service
    meta = metadata(server, server.metadata.name)
    meta["labels"] = service.labels | meta["labels"]
    if annotations := build_annotations(server):
        meta["annotations"] = annotations
    spec: dict[str, Any] = {
        "type": service.type.value,
        "selector": pod_selector(server.metadata.name),
        "ipFamilyPolicy": service.ip_family_policy.value,
        "ports": _ports(server),
    }
    if service.ip_families:
        spec["ipFamilies"] = [family.value for family in service.ip_families]
    if service.type is not ServiceType.CLUSTER_IP:
        spec["externalTrafficPolicy"] = service.external_traffic_policy.value
    if service.type is ServiceType.LOAD_BALANCER:
        spec |= _load_balancer(service)
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _load_balancer(service: Service) -> dict[str, Any]:
    fields: dict[str, Any] = {"allocateLoadBalancerNodePorts": service.allocate_load_balancer_node_ports}
    if service.load_balancer_class is not None:
        fields["loadBalancerClass"] = service.load_balancer_class
    if service.load_balancer_source_ranges:
        fields["loadBalancerSourceRanges"] = service.load_balancer_source_ranges
    return fields


def _ports(server: FtpsServer) -> list[dict[str, Any]]:
    spec = server.spec
    control = [
        _port(name, mode.port)
        for name, mode in ((EXPLICIT_NAME, spec.explicit), (IMPLICIT_NAME, spec.implicit))
        if mode.enabled
    ]
    passive = [_port(passive_port_name(number), number) for number in spec.passive.ports]
    if spec.service.type is not ServiceType.NODE_PORT:
        return control + passive
    # PASV announces the port that the server listens on: the node must answer on that very one. They come first, or
    # the control ports, which the API server chooses a node port for, one after the other, might get one of them.
    return [port | {"nodePort": port["port"]} for port in passive] + control


def _port(name: str, number: int) -> dict[str, Any]:
    # The protocol is a merge key of server-side apply: left out, it is not defaulted in time (kubernetes#130292).
    return {"name": name, "protocol": "TCP", "port": number, "targetPort": name}
