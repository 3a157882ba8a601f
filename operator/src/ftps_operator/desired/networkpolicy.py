"""The NetworkPolicy: control ports and the passive range, metrics for those who are named.

Outwards DNS, and with active mode the clients' ports.
"""

from typing import Any

from ftps_operator.models.networkpolicy import Peer, PortRanges
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata, pod_selector
from ftps_server.config import ADMIN_PORT, EXPLICIT_PORT, FIRST_CLIENT_PORT, IMPLICIT_PORT


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
            "egress": _egress(server),
        },
    }


def _egress(server: FtpsServer) -> list[dict[str, Any]]:
    # The server looks up the host names that PASV announces.
    rules: list[dict[str, Any]] = [{"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}]
    spec = server.spec
    if spec.active.enabled:
        # The server connects to none but its clients; behind a proxy they are others than those who connect to it.
        peers = [] if spec.service.proxy_protocol.enabled else spec.network_policy.from_
        rules.append(_rule(peers, [_active_ports(spec.network_policy.port_ranges)], peers_as="to"))
    return rules


def _active_ports(written: PortRanges) -> dict[str, Any]:
    """The ports that clients listen on: the server refuses those below. Nobody expands all of them."""
    if written is PortRanges.END_PORT:
        return _port(FIRST_CLIENT_PORT) | {"endPort": 65535}
    return {"protocol": "TCP"}


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


def _rule(peers: list[Peer], ports: list[dict[str, Any]], *, peers_as: str = "from") -> dict[str, Any]:
    rule: dict[str, Any] = {"ports": ports}
    if peers:
        rule[peers_as] = [peer.model_dump(mode="json", by_alias=True, exclude_none=True) for peer in peers]
    return rule
