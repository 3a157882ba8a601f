import pytest

from ftps_operator.desired.config import build_address_config, build_server_config
from ftps_server.config import (
    Announced,
    BanConfig,
    Bandwidth,
    ClientAuth,
    DataSessionReuse,
    ProxyProtocolConfig,
    UserFrom,
)
from support.samples import everything, server


def service(**fields: object) -> dict[str, object]:
    return {"kind": "Service", "spec": {"clusterIPs": ["fd00::1", "10.96.0.7"]}} | fields


@pytest.mark.parametrize(
    ("kind", "live", "announced"),
    [
        ("ClusterIP", service(), Announced(address="10.96.0.7")),
        ("ClusterIP", None, None),
        ("ClusterIP", service(spec={"clusterIPs": ["fd00::1"]}), None),
        ("LoadBalancer", service(), None),
        (
            "LoadBalancer",
            service(status={"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}),
            Announced(address="203.0.113.10"),
        ),
        (
            "LoadBalancer",
            service(status={"loadBalancer": {"ingress": [{"ip": "2001:db8::1"}, {"ip": "203.0.113.10"}]}}),
            Announced(address="203.0.113.10"),
        ),
        (
            "LoadBalancer",
            service(status={"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}),
            Announced(address="lb.example.com"),
        ),
    ],
)
def test_the_service_s_own_address_is_announced_where_pasv_can_tell_it(
    kind: str, live: dict[str, object] | None, announced: Announced | None
):
    assert build_address_config(server(service={"type": kind}), live).default == announced


def test_behind_node_ports_each_pod_announces_its_node():
    made = server(service={"type": "NodePort"}, passive={"firstPort": 30000})
    assert build_address_config(made, None).default == Announced(environment="HOST_IP")


def test_a_literal_address_wins():
    config = build_address_config(everything(), None)
    assert config.default == Announced(address="ftp.example.com")
    assert [override.address for override in config.overrides] == ["192.0.2.7"]


def test_data_connections_must_resume_unless_told_otherwise():
    assert build_server_config(server()).tls.data_session_reuse is DataSessionReuse.REQUIRED
    assert build_server_config(everything()).tls.data_session_reuse is DataSessionReuse.PREFERRED


def test_nobody_is_banned_slowed_down_or_asked_for_a_certificate_unless_told():
    made = build_server_config(server())
    assert made.limits.ban is None
    assert made.limits.bandwidth == Bandwidth()
    assert made.tls.client_auth.mode is ClientAuth.NONE
    assert made.passive.shared_ports is False
    assert made.active.enabled is False
    assert made.proxy_protocol is None


def test_what_is_said_reaches_the_server():
    made = build_server_config(everything())
    assert made.limits.ban == BanConfig(failures=5, seconds=900)
    assert made.limits.transfer_timeout_seconds == 120
    assert made.limits.bandwidth == Bandwidth(upload=10_000_000, download=20_000_000)
    assert made.tls.client_auth.mode is ClientAuth.OPTIONAL
    assert made.tls.client_auth.user_from is UserFrom.EMAIL_SAN
    assert made.passive.shared_ports is True
    assert made.active.enabled is True
    assert made.proxy_protocol == ProxyProtocolConfig.model_validate({"allowedProxies": ["10.0.0.0/8", "fd00::/8"]})


def test_the_drain_ends_before_the_pod_is_killed():
    made = server(terminationGracePeriodSeconds=60)
    assert 0 < build_server_config(made).drain_seconds < 60
