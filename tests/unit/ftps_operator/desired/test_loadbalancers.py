"""What vendors' load balancers are told, and what they cannot take."""

from pathlib import Path
from typing import Any

import pytest

from ftps_operator.desired.loadbalancers import VENDORS, build_annotations, port_problem, remark
from ftps_operator.desired.service import build_service
from ftps_operator.models.exposure import LoadBalancerProfile
from support.samples import server

AWS = "service.beta.kubernetes.io/aws-load-balancer"
PROXIED = {"proxyProtocol": {"enabled": True, "allowedProxies": ["10.0.0.0/8"]}}


def behind(profile: str, *, passive: tuple[int, int] = (20, 2), spec: dict[str, Any] | None = None, **service: Any):
    """A server behind a vendor's load balancer, with so many ports a replica and replicas."""
    return server(
        service={"type": "LoadBalancer", "loadBalancerProfile": profile} | service,
        passive={"portsPerReplica": passive[0], "maxReplicas": passive[1]},
        **(spec or {}),
    )


def test_an_nlb_reaches_pods_and_shows_them_the_clients_addresses():
    assert build_annotations(behind("AwsNlb")) == {
        f"{AWS}-type": "external",
        f"{AWS}-nlb-target-type": "ip",
        f"{AWS}-target-group-attributes": "preserve_client_ip.enabled=true",
        f"{AWS}-listener-attributes.TCP-21": "tcp.idle_timeout.seconds=6000",
        f"{AWS}-listener-attributes.TCP-990": "tcp.idle_timeout.seconds=6000",
    }


def test_an_nlb_that_sends_the_proxy_protocol_connects_from_its_own_address():
    made = build_annotations(behind("AwsNlb", **PROXIED))
    assert made[f"{AWS}-proxy-protocol"] == "*"
    assert made[f"{AWS}-target-group-attributes"] == "preserve_client_ip.enabled=false"


def test_a_class_tells_an_nlb_s_controller_by_itself():
    assert f"{AWS}-type" not in build_annotations(behind("AwsNlb", loadBalancerClass="service.k8s.aws/nlb"))


def test_gcp_s_load_balancer_is_one_of_backend_services_unless_another_is_chosen():
    assert build_annotations(behind("Gcp")) == {"cloud.google.com/l4-rbs": "enabled"}
    assert build_annotations(behind("Gcp", loadBalancerClass="networking.gke.io/l4-regional-external")) == {}
    internal = {"networking.gke.io/load-balancer-type": "Internal"}
    assert build_annotations(behind("Gcp", annotations=internal)) == internal


def test_azure_lets_a_control_connection_be_silent_for_half_an_hour():
    assert build_annotations(behind("Azure")) == {
        "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout": "30"
    }


@pytest.mark.parametrize("profile", LoadBalancerProfile)
def test_the_user_s_own_annotations_win(profile: LoadBalancerProfile):
    chosen = dict.fromkeys(build_annotations(behind(profile)), "mine") | {"example.com/a": "b"}
    assert build_service(behind(profile, annotations=chosen))["metadata"]["annotations"] == chosen


@pytest.mark.parametrize("profile", LoadBalancerProfile)
def test_without_a_load_balancer_nothing_is_told_and_nothing_refused(profile: LoadBalancerProfile):
    made = behind(profile, type="ClusterIP", passive=(500, 2))
    assert "annotations" not in build_service(made)["metadata"]
    assert (port_problem(made), remark(made)) == ("", "")


@pytest.mark.parametrize(
    ("profile", "fits", "does_not"),
    [("AwsNlb", (24, 2), (25, 2)), ("Azure", (149, 2), (150, 2)), ("Generic", (500, 2), None), ("Gcp", (500, 2), None)],
)
def test_the_limit_is_the_vendor_s(profile: str, fits: tuple[int, int], does_not: tuple[int, int] | None):
    assert port_problem(behind(profile, passive=fits)) == ""
    if does_not is not None:
        assert port_problem(behind(profile, passive=does_not)) != ""


def test_the_refusal_shows_the_sum_and_what_fits():
    assert port_problem(behind("AwsNlb", passive=(20, 4))) == (
        "service.loadBalancerProfile AwsNlb allows 50 listeners; explicit 1 + implicit 1 + passive 20 x 4 = 82:"
        " make the FtpsServer anew, as they are fixed at creation, with passive.portsPerReplica 12,"
        " passive.maxReplicas 2, or passive.sharedPorts and passive.portsPerReplica 2"
    )


@pytest.mark.parametrize("passive", [(20, 4), (40, 2), (2, 30), (100, 1), (3, 32)])
def test_what_the_refusal_offers_is_taken(passive: tuple[int, int]):
    one_mode = {"implicit": {"enabled": False}}
    problem = port_problem(behind("AwsNlb", passive=passive, spec=one_mode))
    assert f"explicit 1 + passive {passive[0]} x {passive[1]} = {1 + passive[0] * passive[1]}:" in problem
    offered = problem.partition(" with ")[2].partition("or passive.sharedPorts")[0].split(", ")
    for choice in filter(None, offered):
        name, _, number = choice.removeprefix("passive.").partition(" ")
        made = (int(number), passive[1]) if name == "portsPerReplica" else (passive[0], int(number))
        assert port_problem(behind("AwsNlb", passive=made, spec=one_mode)) == ""
        bigger = (made[0] + 1, made[1]) if name == "portsPerReplica" else (made[0], made[1] + 1)
        assert port_problem(behind("AwsNlb", passive=bigger, spec=one_mode)) != ""


def test_gcp_s_range_is_told_where_there_are_more_ports_than_it_takes_one_by_one():
    assert remark(behind("Gcp")) == (
        "with more than 5 ports, here 42, Gcp's forwarding rule passes on every port of 21-50039"
    )
    assert remark(behind("Gcp", passive=(3, 1))) == ""
    assert remark(behind("AwsNlb")) == ""


def test_the_guide_names_every_annotation_and_limit():
    page = (Path(__file__).parents[4] / "docs" / "exposing.md").read_text(encoding="utf-8")
    for profile, vendor in VENDORS.items():
        assert f"`{profile}`" in page
        assert vendor.most_ports is None or f"[{vendor.most_ports} " in page
        for settings in ({}, PROXIED):
            for name, value in build_annotations(behind(profile, **settings)).items():
                assert name.replace(AWS, "…", 1).partition(".TCP-")[0] in page or name in page, name
                assert value in page
