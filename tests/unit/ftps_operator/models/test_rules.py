"""The rules of the models, as the operator applies them to objects that were stored before the rules were there."""

from typing import Any

import pytest
from pydantic import ValidationError

from support.samples import everything, ftps_user, server

CAROL = {"name": "carol", "clientCertificate": {"subject": "carol"}}
USER = {"name": "alice", "passwordSecretRef": {"name": "alice"}}


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ({"explicit": {"enabled": False}, "implicit": {"enabled": False}}, ("spec",), "at least one"),
        ({"explicit": {"port": 990}}, ("spec",), "must differ"),
        ({"explicit": {"port": 50001}}, ("spec",), "outside the passive range"),
        ({"service": {"type": "NodePort"}}, ("spec",), "30000-32767"),
        ({"passive": {"firstPort": 65530}}, ("spec", "passive"), "65536"),
        ({"passive": {"portsPerReplica": 500, "maxReplicas": 3}}, ("spec", "passive"), "1000 ports"),
        (
            {"service": {"proxyProtocol": {"enabled": True}}},
            ("spec", "service", "proxyProtocol"),
            "proxyProtocol needs allowedProxies",
        ),
        (
            {
                "replicas": 2,
                "storage": {"persistentVolumeClaim": {"size": "1Gi", "accessModes": ["ReadWriteOncePod"]}},
            },
            ("spec",),
            "one replica only",
        ),
        ({"tls": {}}, ("spec", "tls"), "exactly one"),
        ({"storage": {}}, ("spec", "storage"), "exactly one"),
        (
            {"users": [USER | {"passwordSecretRef": {"name": "../../others/secrets/x"}}]},
            ("spec", "users", 0, "passwordSecretRef", "name"),
            "pattern",
        ),
        ({"users": [USER | {"quota": {"bytes": "1e999"}}]}, ("spec", "users", 0, "quota", "bytes"), "quantity"),
        ({"users": [USER | {"bandwidth": {"upload": "1k"}}]}, ("spec", "users", 0, "bandwidth"), "1Ki or more"),
        ({"users": [USER | {"allowedCIDRs": ["10.1.0.0/8"]}]}, ("spec", "users", 0, "allowedCIDRs", 0), "CIDR"),
        (
            {"users": [USER | {"permissions": {"directories": [{"path": "/a/..", "preset": "None"}]}}]},
            ("spec", "users", 0, "permissions", "directories", 0),
            "'..'",
        ),
        ({"users": [CAROL]}, ("spec",), "needs tls.clientAuth.mode"),
        (
            {"tls": {"selfSigned": {}, "clientAuth": {"mode": "Required"}}},
            ("spec", "tls", "clientAuth"),
            "need caSecretName",
        ),
        ({"users": [USER | {"homeDirectory": "/../x"}]}, ("spec", "users", 0), "'..'"),
        ({"allowedUserNamespaces": {"from": "Selector"}}, ("spec", "allowedUserNamespaces"), "selector must be set"),
        (
            {"allowedUserNamespaces": {"from": "All", "selector": {}}},
            ("spec", "allowedUserNamespaces"),
            "selector must be set",
        ),
        ({"networkPolicy": {"from": [{}]}}, ("spec", "networkPolicy", "from", 0), "ipBlock"),
        ({"monitoring": {"podMonitor": True}}, ("spec", "monitoring"), "not supported yet"),
    ],
)
def test_a_broken_rule_names_its_field(spec: dict[str, Any], path: tuple[str | int, ...], words: str):
    with pytest.raises(ValidationError) as caught:
        server(**spec)
    assert [(error["loc"][: len(path)], words in error["msg"]) for error in caught.value.errors()] == [(path, True)]


def test_fields_of_a_newer_schema_are_left_alone():
    assert server(futureField={"a": 1}).spec.explicit.port == 21


def test_everything_that_is_supported_can_be_said():
    made = everything()
    assert made.spec.users[1].password_hash_secret_ref is not None
    assert made.spec.network_policy.from_[0].ip_block is not None


def test_an_error_never_shows_what_was_given():
    with pytest.raises(ValidationError) as caught:
        server(users=[{"name": "alice", "passwordSecretRef": "hunter2"}])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("alice", {"clientCertificate": {"subject": "a"}, "passwordHashSecretRef": {"name": "a"}}, "exactly one"),
        ("alice", {"homeDirectory": "/a/../b"}, "'..'"),
        ("a" * 65, {}, "longer than 64"),
        ("alice", {"name": "a b"}, "pattern"),
        ("alice", {"passwordSecretRef": {"name": "../../files/secrets/alice"}}, "pattern"),
        ("alice", {"serverRef": {"name": "a/b"}}, "pattern"),
        ("alice", {"serverRef": {"name": "a", "namespace": ".."}}, "pattern"),
    ],
)
def test_an_ftps_user_keeps_its_rules(name: str, spec: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        ftps_user(name, **spec)


def test_a_login_is_the_resource_s_name_unless_there_is_another():
    assert ftps_user("alice").login == "alice"
    assert ftps_user("a" * 65, name="bob").login == "bob"
