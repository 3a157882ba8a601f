"""Which Service gets which load balancer address."""

import pytest

from testbed.controllers import LoadBalancers

FIRST, SECOND = "203.0.113.10", "203.0.113.11"


class Recorder:
    """Takes the place of the API client: remembers what was published."""

    def __init__(self) -> None:
        self.published: dict[str, list[dict[str, str]] | None] = {}

    def request(self, method, path, body=None):
        assert method == "PATCH"
        assert path.endswith("/status")
        self.published[path.split("/")[-2]] = body["status"]["loadBalancer"]["ingress"]
        return {}


@pytest.fixture
def api() -> Recorder:
    return Recorder()


@pytest.fixture
def balancers(api) -> LoadBalancers:
    return LoadBalancers(api)


def service(name: str, *, ip: str = "", kind: str = "LoadBalancer", **spec: str) -> dict[str, object]:
    ingress = [{"ip": ip, "ipMode": "VIP"}] if ip else []
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"type": kind, **spec},
        "status": {"loadBalancer": {"ingress": ingress} if ingress else {}},
    }


def vip(ip: str) -> list[dict[str, str]]:
    return [{"ip": ip, "ipMode": "VIP"}]


def test_services_get_different_addresses(api, balancers):
    balancers.handle("ADDED", service("a"))
    balancers.handle("ADDED", service("b"))
    assert api.published == {"a": vip(FIRST), "b": vip(SECOND)}


def test_an_address_that_is_published_is_left_alone(api, balancers):
    balancers.listed([service("a", ip=SECOND)])
    balancers.handle("ADDED", service("a", ip=SECOND))
    assert api.published == {}


@pytest.mark.parametrize(("name", "taken"), [("testbed.ftps-operator.io/lb", True), ("other.example.com/lb", False)])
def test_only_our_class_is_served(api, balancers, name, taken):
    balancers.handle("ADDED", service("a", loadBalancerClass=name))
    assert ("a" in api.published) is taken


def test_another_class_keeps_what_its_own_controller_published(api, balancers):
    balancers.handle("ADDED", service("a", ip="192.0.2.1", loadBalancerClass="other.example.com/lb"))
    assert api.published == {}


def test_a_service_that_is_no_load_balancer_any_more_loses_its_address(api, balancers):
    balancers.handle("ADDED", service("a"))
    balancers.handle("MODIFIED", service("a", ip=FIRST, kind="ClusterIP"))
    balancers.handle("ADDED", service("b"))
    assert api.published == {"a": None, "b": vip(FIRST)}


def test_after_a_restart_nobody_gets_an_address_that_is_in_use(api, balancers):
    there = [service("new"), service("old", ip=FIRST)]
    balancers.listed(there)
    for each in there:
        balancers.handle("ADDED", each)
    assert api.published == {"new": vip(SECOND)}


def test_the_address_of_a_service_whose_deletion_was_missed_is_free(api, balancers):
    balancers.handle("ADDED", service("a"))
    balancers.listed([])
    balancers.handle("ADDED", service("b"))
    assert api.published["b"] == vip(FIRST)


def test_a_host_name_is_published_in_place_of_an_address(api, balancers):
    named = service("a")
    named["metadata"]["annotations"] = {"testbed.ftps-operator.io/hostname": "ftps.example.com"}
    balancers.handle("ADDED", named)
    assert api.published == {"a": [{"hostname": "ftps.example.com"}]}
