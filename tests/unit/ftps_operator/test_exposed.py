"""Where clients are told to connect to."""

from typing import Any

import pytest

from ftps_operator.desired.service import build_service
from ftps_operator.exposed import expose
from ftps_operator.observed import Observed
from support.samples import owned, server

IPV4, IPV6 = "203.0.113.10", "2001:db8::1"


def seen(kind: str, *, pods: tuple[dict[str, Any], ...] = (), status: Any = None, **spec: Any):
    """What is told of a server whose Service has this in its spec and status."""
    made = server(service={"type": kind}, passive={"firstPort": 30100})
    service = build_service(made)
    live = owned(made, service, spec=service["spec"] | spec, status=status or {})
    return expose(made, Observed(pods=pods).with_object(live))


def urls(found: Any) -> list[str]:
    return [endpoint["url"] for endpoint in found.endpoints]


def ingress(*entries: dict[str, str]) -> dict[str, Any]:
    return {"loadBalancer": {"ingress": list(entries)}}


def test_each_of_two_addresses_has_its_endpoints_and_pasv_s_comes_first():
    found = seen("LoadBalancer", status=ingress({"ip": IPV6}, {"ip": IPV4}))
    assert found.address == IPV4
    assert urls(found) == [
        "ftp://203.0.113.10:21",
        "ftps://203.0.113.10:990",
        "ftp://[2001:db8::1]:21",
        "ftps://[2001:db8::1]:990",
    ]


def test_a_load_balancer_may_have_a_host_name():
    found = seen("LoadBalancer", status=ingress({"hostname": "lb.example.com"}))
    assert (found.address, urls(found)[0]) == ("lb.example.com", "ftp://lb.example.com:21")


def test_a_cluster_ip_of_ipv6_only_is_an_address_too():
    assert seen("ClusterIP", clusterIPs=["fd00::7"]).address == "fd00::7"


@pytest.mark.parametrize(
    ("families", "hosts"),
    [(["IPv4"], ["10.0.0.1"]), (["IPv6"], ["fd00::1"]), (["IPv6", "IPv4"], ["10.0.0.1", "fd00::1"])],
)
def test_of_a_node_s_addresses_those_count_that_the_service_answers_at(families: list[str], hosts: list[str]):
    pod = {"metadata": {"name": "p"}, "status": {"hostIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}}
    pending = {"metadata": {"name": "q"}, "status": {}}
    ports = [{"name": "ftp", "nodePort": 31000}]
    found = seen("NodePort", pods=(pending, pod), ipFamilies=families, ports=ports)
    assert urls(found) == [f"ftp://[{host}]:31000" if ":" in host else f"ftp://{host}:31000" for host in hosts]
    assert found.address == hosts[0]


@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort", "ClusterIP"])
def test_without_an_address_it_is_told_what_is_waited_for(kind: str):
    found = seen(kind)
    assert (found.address, found.endpoints) == (None, ())
    assert found.waiting_for


def test_the_static_node_ports_come_before_those_that_the_api_server_chooses():
    ports = build_service(server(service={"type": "NodePort"}, passive={"firstPort": 30100}))["spec"]["ports"]
    assert ["nodePort" in port for port in ports] == [True] * 40 + [False] * 2
