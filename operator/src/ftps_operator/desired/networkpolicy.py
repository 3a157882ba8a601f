"""The NetworkPolicy: control ports and the passive range, metrics for those who are named, DNS outwards."""

from typing import Any

from ftps_operator.models.networkpolicy import Peer, PortRanges
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata, pod_selector
from ftps_server.config import ADMIN_PORT, EXPLICIT_PORT, IMPLICIT_PORT


def build_network_policy(server: FtpsServer) -> Manifest:
    """Build the NetworkPolicy. A node always reaches its own pods: the kubelet's probes need no rule."""
    policy = server.spec.network_policy
    ingress = [_rule(policy.from_, _client_ports(server))]
    if policy.metrics_from:
        ingress.append(_rule(policy.metrics_from, [_port(ADMIN_PORT)]))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(server, server.metadata.name),
        "spec": {
            "podSelector": {"matchLabels": pod_selector(server.metadata.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            # The server looks up the host names that PASV announces.
            "egress": [{"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}],
        },
    }


def _client_ports(server: FtpsServer) -> list[dict[str, Any]]:
    spec = server.spec
    ports = []
    if spec.explicit.enabled:
        ports.append(_port(EXPLICIT_PORT))
    if spec.implicit.enabled:
        ports.append(_port(IMPLICIT_PORT))
    passive = spec.passive.ports
    if spec.network_policy.port_ranges is PortRanges.END_PORT:
        ports.append(_port(passive[0]) | {"endPort": passive[-1]})
    else:
        ports.extend(_port(port) for port in passive)
    return ports


def _port(number: int) -> dict[str, Any]:
    return {"protocol": "TCP", "port": number}


def _rule(peers: list[Peer], ports: list[dict[str, Any]]) -> dict[str, Any]:
    rule: dict[str, Any] = {"ports": ports}
    if peers:
        rule["from"] = [peer.model_dump(mode="json", by_alias=True, exclude_none=True) for peer in peers]
    return rule
