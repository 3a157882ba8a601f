"""How a server is reached: every type of Service, in place, and what the API server or a cloud would refuse."""

import json
import re
import ssl
from typing import Any

import pytest

from support.ftps import Ftps
from support.kstatus import FAILED, IN_PROGRESS, kstatus
from support.polling import eventually
from support.servers import PASSWORD, Namespace, condition, ftps_server, password_secret
from testbed import Cluster

SECONDS = 20
CLASS, ANOTHER_CLASS = "testbed.ftps-operator.io/lb", "example.com/another"
HOSTNAME = "testbed.ftps-operator.io/hostname"


# Node ports up to 30085 are given to nobody who does not ask for them:
# https://kubernetes.io/docs/concepts/services-networking/service/#avoid-nodeport-collisions
def passive(first: int, per_replica: int = 2, replicas: int = 1) -> dict[str, int]:
    return {"firstPort": first, "portsPerReplica": per_replica, "maxReplicas": replicas}


def stalled(namespace: Namespace, name: str, reason: str) -> str:
    """The words with which a server is stalled for this reason."""

    def look() -> str:
        found = namespace.server(name)
        assert kstatus(found) == FAILED
        told = condition(found, "Stalled")
        assert told["reason"] == reason, told
        return str(told["message"])

    return eventually(look, seconds=SECONDS)


def command(message: str) -> list[str]:
    """The kubectl command that a message offers."""
    found = re.search("kubectl ([^`]+)", message)
    assert found is not None, message
    return found[1].split()


def service(namespace: Namespace, name: str) -> dict[str, Any]:
    found = namespace.get("service", name)
    assert found is not None
    return found


def endpoint(status: dict[str, Any], mode: str) -> tuple[str, int]:
    """Address and port of the first endpoint of a mode."""
    url = next(each["url"] for each in status["endpoints"] if each["mode"] == mode)
    host, _, port = url.partition("://")[2].rpartition(":")
    return host, int(port)


def login(address: str, port: int) -> Ftps:
    """A client that goes where PASV says."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = Ftps(context=context, timeout=20)
    session.trust_server_pasv_ipv4_address = True
    session.connect(address, port)
    session.login("alice", PASSWORD)
    session.prot_p()
    return session


@pytest.fixture(scope="module", autouse=True)
def _password(namespace: Namespace) -> None:
    namespace.apply(password_secret("alice"))


def test_every_type_of_service_serves_and_follows_every_other(namespace: Namespace):
    name, ports = "types", passive(30000)
    # With Cluster, as the first of several nodes has the load balancer's address, whichever node the pod is on.
    settings = {"externalTrafficPolicy": "Cluster"}
    namespace.apply(ftps_server(name, users=("alice",), passive=ports, service=settings | {"type": "ClusterIP"}))
    namespace.wait_ready(name)
    pod = namespace.pods(name)[0]["metadata"]["uid"]
    before = "ClusterIP"
    for kind in ("NodePort", "LoadBalancer", "ClusterIP", "LoadBalancer", "NodePort", "ClusterIP"):
        namespace.patch("ftpsserver", name, {"spec": {"service": {"type": kind}}})
        status = namespace.wait_ready(name)["status"]
        spec = service(namespace, name)["spec"]
        assert spec["type"] == kind, f"after {before}"
        node_ports = {port["port"]: port.get("nodePort") for port in spec["ports"] if port["name"].startswith("p")}
        if kind == "NodePort":
            assert node_ports == {30000: 30000, 30001: 30001}
        if kind == "ClusterIP":
            assert set(node_ports.values()) == {None}
            assert status["address"] == spec["clusterIP"]
        address, port = endpoint(status, "Explicit")
        with login(address, port) as session:
            # A moment after the pod is told, the kubelet has its files.
            eventually(lambda: session.makepasv()[0] == status["address"], seconds=SECONDS, what=f"{kind} {before}")  # noqa: B023
            assert session.nlst() == []
        before = kind
    assert [each["metadata"]["uid"] for each in namespace.pods(name)] == [pod]
    namespace.delete("ftpsserver", name)


def test_node_ports_are_the_passive_ports(namespace: Namespace):
    namespace.apply(ftps_server("nodeport", service={"type": "NodePort"}, passive=passive(30010, 3, 2)))
    status = namespace.wait_ready("nodeport")["status"]
    ports = service(namespace, "nodeport")["spec"]["ports"]
    pinned = {port["port"]: port["nodePort"] for port in ports if port["name"].startswith("p")}
    assert pinned == {port: port for port in range(30010, 30016)}
    assert status["address"] == namespace.pods("nodeport")[0]["status"]["hostIP"]
    explicit = next(port["nodePort"] for port in ports if port["name"] == "ftp")
    assert status["endpoints"][0]["url"] == f"ftp://{status['address']}:{explicit}"
    namespace.delete("ftpsserver", "nodeport")


def test_a_taken_node_port_is_told_by_its_number_and_heals_when_it_is_free(namespace: Namespace):
    blocker = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "blocker"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30021}]},
    }
    namespace.apply(blocker, ftps_server("collision", service={"type": "NodePort"}, passive=passive(30020)))
    message = stalled(namespace, "collision", "NodePortUnavailable")
    assert "Invalid value: 30021: provided port is already allocated" in message
    assert "another passive.firstPort" in message
    namespace.delete("service", "blocker")
    namespace.wait_ready("collision")
    namespace.delete("ftpsserver", "collision")


def test_a_passive_port_that_a_control_port_has_got_is_told_with_the_command_that_helps(
    namespace: Namespace, operator: Cluster
):
    namespace.apply(ftps_server("twice", service={"type": "LoadBalancer"}, passive=passive(30030)))
    namespace.wait_ready("twice")
    chosen = {"spec": {"ports": [{"port": 21, "nodePort": 30031}]}}
    namespace.kubectl("patch", "service", "twice", "--type=strategic", "-p", json.dumps(chosen))
    namespace.patch("ftpsserver", "twice", {"spec": {"service": {"type": "NodePort"}}})
    message = stalled(namespace, "twice", "NodePortUnavailable")
    assert "30031" in message
    operator.kubectl(*command(message))
    namespace.wait_ready("twice")
    namespace.delete("ftpsserver", "twice")


def test_a_load_balancer_may_do_without_node_ports(namespace: Namespace):
    settings = {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster", "allocateLoadBalancerNodePorts": False}
    namespace.apply(ftps_server("spare", users=("alice",), service=settings, passive=passive(40100)))
    status = namespace.wait_ready("spare")["status"]
    assert not any("nodePort" in port for port in service(namespace, "spare")["spec"]["ports"])
    with login(*endpoint(status, "Explicit")) as session:
        assert session.nlst() == []
    namespace.delete("ftpsserver", "spare")


def test_another_class_is_refused_with_the_command_that_helps(namespace: Namespace, embedded: Cluster):
    settings = {"type": "LoadBalancer", "loadBalancerClass": CLASS}
    namespace.apply(ftps_server("class", service=settings, passive=passive(40200)))
    namespace.wait_ready("class")
    for wanted in (ANOTHER_CLASS, None):
        namespace.patch("ftpsserver", "class", {"spec": {"service": {"loadBalancerClass": wanted}}})
        message = stalled(namespace, "class", "ImmutableField")
        assert "may not change once set" in message
    embedded.kubectl(*command(message))
    namespace.wait_ready("class")
    assert "loadBalancerClass" not in service(namespace, "class")["spec"]
    # As long as it is no load balancer, there is no class that could change.
    namespace.patch("ftpsserver", "class", {"spec": {"service": {"type": "ClusterIP"}}})
    namespace.wait_ready("class")
    namespace.patch("ftpsserver", "class", {"spec": {"service": settings}})
    namespace.wait_ready("class")
    namespace.delete("ftpsserver", "class")


def test_a_load_balancer_with_a_host_name_is_announced_by_what_the_name_stands_for(
    namespace: Namespace, embedded: Cluster
):
    # The one name that the server can look up without a DNS server.
    settings = {"type": "LoadBalancer", "annotations": {HOSTNAME: "localhost"}}
    namespace.apply(ftps_server("named", users=("alice",), service=settings, passive=passive(40300)))
    status = namespace.wait_ready("named")["status"]
    assert status["address"] == "localhost"
    assert status["endpoints"][0]["url"] == "ftp://localhost:21"
    with login(service(namespace, "named")["spec"]["clusterIP"], 21) as session:
        eventually(lambda: session.makepasv()[0] == "127.0.0.1", seconds=SECONDS)
    namespace.delete("ftpsserver", "named")


def test_more_ports_than_the_profile_allows_are_refused_before_a_load_balancer_is_made(namespace: Namespace):
    settings = {"type": "LoadBalancer", "loadBalancerProfile": "AwsNlb"}
    namespace.apply(ftps_server("many", service=settings, passive=passive(40400, 20, 4)))
    message = stalled(namespace, "many", "PortLimitExceeded")
    assert "explicit 1 + implicit 1 + passive 20 x 4 = 82" in message
    assert namespace.get("service", "many") is None
    namespace.patch("ftpsserver", "many", {"spec": {"service": {"loadBalancerProfile": "Gcp"}}})
    found = namespace.wait_ready("many")
    assert "Gcp's forwarding rule passes on every port of 21-40479" in condition(found, "AddressAssigned")["message"]
    assert service(namespace, "many")["metadata"]["annotations"]["cloud.google.com/l4-rbs"] == "enabled"
    namespace.patch("ftpsserver", "many", {"spec": {"service": {"loadBalancerProfile": "Generic"}}})
    eventually(
        lambda: "cloud.google.com/l4-rbs" not in service(namespace, "many")["metadata"]["annotations"], seconds=SECONDS
    )
    namespace.delete("ftpsserver", "many")


def test_two_stacks_are_served_where_the_cluster_has_them_and_refused_by_their_field_where_not(namespace: Namespace):
    settings = {"ipFamilyPolicy": "RequireDualStack"}
    namespace.apply(ftps_server("dual", service=settings, passive=passive(40500)))

    def look() -> dict[str, Any]:
        found = namespace.server("dual")
        assert kstatus(found) != IN_PROGRESS
        return found

    found = eventually(look, seconds=60)
    if kstatus(found) == FAILED:
        assert "spec.ipFamilyPolicy" in stalled(namespace, "dual", "ObjectRejected")
        namespace.patch("ftpsserver", "dual", {"spec": {"service": {"ipFamilyPolicy": "PreferDualStack"}}})
        found = namespace.wait_ready("dual")
    addresses = service(namespace, "dual")["spec"]["clusterIPs"]
    assert len(found["status"]["endpoints"]) == 2 * len(addresses)
    namespace.delete("ftpsserver", "dual")
