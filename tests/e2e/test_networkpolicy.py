"""What the NetworkPolicy lets through, by somebody else's reading of it, and by the cluster's network plugin."""

import copy
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

import pytest

from ftps_operator.desired.networkpolicy import build_network_policy
from ftps_server.config import ADMIN_PORT, EXPLICIT_PORT, IMPLICIT_PORT
from support.polling import eventually
from support.samples import server
from support.servers import HOST, Namespace, at_the_load_balancer, ftps_server
from support.target import Target
from testbed import Cluster, simulator

Spec = dict[str, Any]
Peer = dict[str, Any]
Connection = dict[str, Any]

LOGIN_DENIED = 67
"""curl's exit code: what it is where the server is reached."""

PARTNERS: Peer = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
AGENTS: Peer = {
    "namespaceSelector": {"matchLabels": {"team": "files"}},
    "podSelector": {"matchLabels": {"app": "agent"}},
}
SCRAPERS: Peer = {"namespaceSelector": {"matchLabels": {"team": "watch"}}}
NEIGHBOURS: Peer = {"podSelector": {"matchLabels": {"app": "agent"}}}
PROXY = {"proxyProtocol": {"enabled": True, "allowedProxies": ["10.0.0.0/8"]}}
ACTIVE = {"active": {"enabled": True}}


def policy(**fields: Any) -> Spec:
    return {"networkPolicy": fields}


VARIANTS: dict[str, Spec] = {
    "the least": {},
    "expanded": policy(portRanges="Expand"),
    "explicit only": {"implicit": {"enabled": False}},
    "implicit only": {"explicit": {"enabled": False}},
    "other ports": {"explicit": {"port": 2100}, "passive": {"firstPort": 50020, "maxReplicas": 1}},
    "some clients": policy(**{"from": [PARTNERS, AGENTS]}),
    "neighbours": policy(**{"from": [NEIGHBOURS], "portRanges": "Expand"}),
    "metrics": policy(metricsFrom=[SCRAPERS]),
    "some clients and metrics": policy(**{"from": [PARTNERS], "metricsFrom": [SCRAPERS, NEIGHBOURS]}),
    "active mode": ACTIVE,
    "active mode, expanded": ACTIVE | policy(portRanges="Expand"),
    "active mode for some": ACTIVE | policy(**{"from": [PARTNERS, AGENTS]}),
    "active mode behind a proxy": ACTIVE | {"service": PROXY} | policy(**{"from": [PARTNERS]}),
}

SERVER: Peer = {
    "ip": "10.244.0.9",
    "namespace": "files",
    "namespaceLabels": {"team": "files"},
    "podLabels": build_network_policy(server())["spec"]["podSelector"]["matchLabels"],
}


def pod(ip: str, namespace: str, team: str, app: str) -> Peer:
    return {"ip": ip, "namespace": namespace, "namespaceLabels": {"team": team}, "podLabels": {"app": app}}


OTHERS: dict[str, Peer] = {
    "a partner": {"ip": "10.2.3.4"},
    "an exception": {"ip": "10.1.2.3"},
    "a stranger": {"ip": "198.51.100.7"},
    "an agent": pod("172.16.0.1", "files", "files", "agent"),
    "a neighbour": pod("172.16.0.2", "files", "files", "web"),
    "an agent of others": pod("172.16.0.3", "other", "watch", "agent"),
    "a scraper": pod("172.16.0.4", "watch", "watch", "prometheus"),
}
INWARDS = (20, 22, EXPLICIT_PORT, IMPLICIT_PORT, ADMIN_PORT, 49999, 50000, 50019, 50020, 50039, 50040)
OUTWARDS = (("UDP", 53), ("TCP", 53), ("UDP", 2000), ("TCP", 443), ("TCP", 1023), ("TCP", 1024), ("TCP", 65535))


def is_among(other: Peer, named: list[Peer]) -> bool:
    """Whether a peer of the spec names it. The labels of the selectors above are all equalities."""
    return any(is_block(other, each["ipBlock"]) if "ipBlock" in each else is_selected(other, each) for each in named)


def is_block(other: Peer, block: dict[str, Any]) -> bool:
    address = ip_address(other["ip"])
    return address in ip_network(block["cidr"]) and not any(address in ip_network(each) for each in block["except"])


def is_selected(other: Peer, named: Peer) -> bool:
    if "namespace" not in other:
        return False
    pods = named.get("podSelector", {}).get("matchLabels", {})
    if "namespaceSelector" in named:
        in_namespace = named["namespaceSelector"]["matchLabels"].items() <= other["namespaceLabels"].items()
    else:
        in_namespace = other["namespace"] == SERVER["namespace"]
    return in_namespace and pods.items() <= other["podLabels"].items()


def lets_in(spec: Spec, other: Peer, port: int) -> bool:
    """What the spec means, in words of its own."""
    wanted = spec.get("networkPolicy", {})
    if port == ADMIN_PORT:
        return is_among(other, wanted.get("metricsFrom", []))
    first = spec.get("passive", {}).get("firstPort", 50000)
    count = 20 * spec.get("passive", {}).get("maxReplicas", 2)
    is_open = (
        (port == EXPLICIT_PORT and spec.get("explicit", {}).get("enabled", True))
        or (port == IMPLICIT_PORT and spec.get("implicit", {}).get("enabled", True))
        or first <= port < first + count
    )
    return is_open and ("from" not in wanted or is_among(other, wanted["from"]))


def lets_out(spec: Spec, other: Peer, protocol: str, port: int) -> bool:
    if port == 53:
        return True
    if protocol != "TCP" or "active" not in spec:
        return False
    wanted = spec.get("networkPolicy", {})
    # One rule with every port stands for those from 1024 on, which nobody lists.
    is_clients_port = port >= 1024 or wanted.get("portRanges") == "Expand"
    is_client = "from" not in wanted or "service" in spec or is_among(other, wanted["from"])
    return is_clients_port and is_client


def table(spec: Spec) -> Iterator[tuple[str, Connection, bool]]:
    """Every connection by its name, and whether it should be allowed."""
    for (name, other), port in product(OTHERS.items(), INWARDS):
        connection = {"from": other, "to": SERVER, "port": port, "protocol": "TCP"}
        yield f"{name} to port {port}", connection, lets_in(spec, other, port)
    for (name, other), (protocol, port) in product(OTHERS.items(), OUTWARDS):
        connection = {"from": SERVER, "to": other, "port": port, "protocol": protocol}
        yield f"to port {protocol} {port} of {name}", connection, lets_out(spec, other, protocol, port)


def differences(spec: Spec, manifest: dict[str, Any]) -> list[str]:
    """The connections that the policy treats otherwise than it should."""
    names, connections, wanted = zip(*table(spec), strict=True)
    answers = simulator.allowed([manifest], list(connections))
    return [f"{name}: {got}" for name, got, want in zip(names, answers, wanted, strict=True) if got is not want]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_policy_lets_through_what_the_spec_says_and_nothing_else(variant: str):
    assert differences(VARIANTS[variant], build_network_policy(server(**VARIANTS[variant]))) == []


def mutations(manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The policy without one of its rules, ports or peers."""
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(manifest["spec"][direction]):
            found = copy.deepcopy(manifest)
            del found["spec"][direction][number]
            yield f"{direction} {number}", found
            for part in ("ports", peers):
                for item in range(len(rule.get(part, []))):
                    found = copy.deepcopy(manifest)
                    del found["spec"][direction][number][part][item]
                    yield f"{direction} {number} {part} {item}", found
    for kind in ("Ingress", "Egress"):
        found = copy.deepcopy(manifest)
        found["spec"]["policyTypes"].remove(kind)
        yield kind, found


@pytest.mark.parametrize("variant", ["some clients and metrics", "active mode for some"])
def test_whatever_is_taken_from_the_policy_is_noticed(variant: str):
    spec = VARIANTS[variant]
    unnoticed = [
        name for name, found in mutations(build_network_policy(server(**spec))) if not differences(spec, found)
    ]
    assert unnoticed == []


def test_a_policy_that_the_cluster_enforces_keeps_strangers_out(operator: Cluster, namespace: Namespace):
    nobody = {"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}
    certificate = {"certManager": {"issuerRef": operator.issuer, "dnsNames": [HOST]}}
    place = at_the_load_balancer(operator)
    settings = {"service": {"type": "LoadBalancer"}, "tls": certificate, "networkPolicy": nobody} | place
    namespace.apply(ftps_server("guarded", **settings))
    target = Target(operator, namespace, "guarded")

    def is_answered() -> bool:
        curl = ("curl", "-sS", "--max-time", "5", "--user", "x:y", f"ftp://{target.address}/")
        return target.run(*curl).returncode == LOGIN_DENIED

    if is_answered():
        pytest.skip("this cluster's network plugin enforces no NetworkPolicies")
    namespace.patch("ftpsserver", "guarded", {"spec": {"networkPolicy": {"from": []}}})
    namespace.wait_ready("guarded")
    eventually(is_answered, seconds=30)
