"""What the API server accepts, what it fills in, what it refuses and with which words."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftps_operator import schema
from ftps_operator.models.base import VALIDATIONS
from support.servers import Namespace, ftps_server, ftps_user
from testbed import Cluster
from testbed.errors import TestbedError

Change = dict[str, Any]
CERT_MANAGER: Change = {"issuerRef": {"name": "an-issuer"}}
ALICE: Change = {"name": "alice", "passwordSecretRef": {"name": "alice"}}


def create(namespace: Namespace, manifest: dict[str, Any]) -> dict[str, Any]:
    """Have the API server decide, with nothing made of it."""
    text = namespace.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(manifest))
    found: dict[str, Any] = json.loads(text)
    return found


def changed(name: str, spec: Change) -> dict[str, Any]:
    """An FtpsServer with parts of its spec replaced."""
    manifest = ftps_server(name)
    manifest["spec"] |= spec
    return manifest


def refusal(namespace: Namespace, manifest: dict[str, Any]) -> str:
    """The words with which the API server refuses."""
    with pytest.raises(TestbedError) as caught:
        create(namespace, manifest)
    return str(caught.value)


def user(**fields: Any) -> Change:
    return {"users": [ALICE | fields]}


# A spec that breaks a rule, and the rule's words.
REFUSED: list[tuple[Change, str]] = [
    (
        {"explicit": {"enabled": False}, "implicit": {"enabled": False}},
        "at least one of explicit and implicit must be enabled",
    ),
    ({"explicit": {"port": 990}}, "explicit.port and implicit.port must differ"),
    ({"explicit": {"port": 50039}}, "explicit.port and implicit.port must lie outside the passive range"),
    ({"service": {"type": "NodePort"}}, "with service.type NodePort the passive range must lie within 30000-32767"),
    (
        {"passive": {"portsPerReplica": 500, "maxReplicas": 3, "firstPort": 20000}},
        "portsPerReplica * maxReplicas must not exceed 1000 ports",
    ),
    ({"passive": {"firstPort": 65530}}, "firstPort + portsPerReplica * maxReplicas must not exceed 65536"),
    (
        {"passive": {"addressOverrides": [{"cidrs": ["10.0.0.0"], "address": "192.0.2.1"}]}},
        "must be the CIDR of a network, like 10.0.0.0/8",
    ),
    ({"tls": {}}, "exactly one of certManager, secretName, selfSigned must be set"),
    (
        {"tls": {"selfSigned": {}, "secretName": "x"}},
        "exactly one of certManager, secretName, selfSigned must be set",
    ),
    ({"tls": {"certManager": CERT_MANAGER | {"duration": "1s"}}}, "must be a duration of at least 1m, like 2160h"),
    (
        {"tls": {"certManager": CERT_MANAGER | {"privateKey": {"algorithm": "RSA", "size": 256}}}},
        "size must be 256, 384 or 521 with ECDSA; 2048, 3072 or 4096 with RSA",
    ),
    (
        {"tls": {"selfSigned": {}, "clientAuth": {"mode": "Required"}}},
        "mode Optional and Required need caSecretName",
    ),
    (
        {"users": [{"name": "carol", "clientCertificate": {"subject": "carol"}}]},
        "users[].clientCertificate needs tls.clientAuth.mode Optional or Required",
    ),
    (
        {"service": {"type": "ClusterIP", "loadBalancerClass": "a/b"}},
        "loadBalancerClass and loadBalancerSourceRanges need type LoadBalancer",
    ),
    ({"service": {"proxyProtocol": {"enabled": True}}}, "proxyProtocol needs allowedProxies"),
    ({"storage": {}}, "exactly one of persistentVolumeClaim, existingClaim, emptyDir must be set"),
    (
        {"users": [ALICE | {"passwordHashSecretRef": {"name": "x"}}]},
        "exactly one of passwordSecretRef, passwordHashSecretRef, clientCertificate must be set",
    ),
    (user(homeDirectory="/a/../b"), "homeDirectory must not contain '..'"),
    (user(permissions={"directories": [{"path": "/in/..", "preset": "None"}]}), "path must not contain '..'"),
    (user(bandwidth={"upload": "1M", "download": "1k"}), "upload and download must be 1Ki or more"),
    (
        {"allowedUserNamespaces": {"from": "Selector"}},
        "selector must be set with from: Selector, and with nothing else",
    ),
    ({"networkPolicy": {"from": [{}]}}, "either ipBlock or namespaceSelector and podSelector must be set"),
    ({"monitoring": {"enabled": True}}, "monitoring is not supported yet"),
    ({"replicas": 3}, "replicas must not exceed passive.maxReplicas"),
    (
        {
            "replicas": 2,
            "storage": {"persistentVolumeClaim": {"size": "1Gi", "accessModes": ["ReadWriteOncePod"]}},
        },
        "storage.persistentVolumeClaim.accessModes ReadWriteOncePod allows one replica only",
    ),
    (
        {"podDisruptionBudget": {"maxUnavailable": 1, "minAvailable": 1}},
        "maxUnavailable and minAvailable exclude each other",
    ),
]

# What a stored server was, what somebody wants of it, and the words.
UNCHANGEABLE: list[tuple[Change, Change, str]] = [
    (
        {},
        {"passive": {"portsPerReplica": 10}},
        "firstPort, portsPerReplica and maxReplicas are fixed at creation: open transfers rely on them",
    ),
    (
        {"storage": {"persistentVolumeClaim": {"size": "2Gi"}}},
        {"storage": {"persistentVolumeClaim": {"size": "1Gi"}}},
        "size cannot shrink",
    ),
    (
        {"storage": {"persistentVolumeClaim": {"size": "1Gi"}}},
        {"storage": {"persistentVolumeClaim": {"accessModes": ["ReadWriteMany"]}}},
        "accessModes and storageClassName of a claim cannot be changed",
    ),
    (
        {"tls": {"certManager": CERT_MANAGER | {"privateKey": {"rotationPolicy": "Never"}}}},
        {"tls": {"certManager": {"privateKey": {"algorithm": "RSA"}}}},
        "with rotationPolicy Never the key stays: algorithm and size cannot be changed",
    ),
]
NAME_RULE = "metadata.name must be at most 50 lower case letters, digits and '-', and begin with a letter"
USER_NAME_RULE = "spec.name must be set where metadata.name is longer than 64 characters"


@pytest.mark.parametrize(("spec", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_a_broken_rule_is_refused_in_its_own_words(namespace: Namespace, spec: Change, words: str):
    assert words in refusal(namespace, changed("refused", spec))


@pytest.mark.parametrize(("before", "after", "words"), UNCHANGEABLE, ids=[words for *_, words in UNCHANGEABLE])
def test_what_is_fixed_at_creation_cannot_be_changed(
    namespace: Namespace, request: pytest.FixtureRequest, before: Change, after: Change, words: str
):
    name = f"fixed-{UNCHANGEABLE.index((before, after, words))}"
    manifest = changed(name, before)
    manifest["metadata"]["annotations"] = {"ftps-operator.io/paused": "true"}
    namespace.apply(manifest)
    request.addfinalizer(lambda: namespace.delete("ftpsserver", name))
    with pytest.raises(TestbedError) as caught:
        namespace.patch("ftpsserver", name, {"spec": after}, "--dry-run=server")
    assert words in str(caught.value)


def test_a_name_that_no_service_can_have_is_refused(namespace: Namespace):
    assert NAME_RULE in refusal(namespace, ftps_server("1st"))
    assert NAME_RULE in refusal(namespace, ftps_server("a" * 51))


def test_an_ftps_user_keeps_the_rules_of_users(namespace: Namespace):
    assert "exactly one of passwordSecretRef" in refusal(
        namespace, ftps_user("alice", "a", clientCertificate={"subject": "alice"})
    )
    assert "homeDirectory must not contain '..'" in refusal(namespace, ftps_user("alice", "a", homeDirectory="/a/../b"))
    assert "spec.name" in refusal(namespace, ftps_user("alice", "a", name="../x"))
    assert "spec.serverRef.name" in refusal(namespace, ftps_user("alice", ""))
    elsewhere = {"name": "../../kube-system/secrets/x"}
    assert "passwordSecretRef.name" in refusal(namespace, ftps_user("alice", "a", passwordSecretRef=elsewhere))
    assert USER_NAME_RULE in refusal(namespace, ftps_user("a" * 65, "a"))
    create(namespace, ftps_user("a" * 65, "a", name="alice"))


def test_an_ftps_user_is_filled_in(namespace: Namespace):
    made = create(namespace, ftps_user("alice", "a"))
    assert made["spec"] == {
        "serverRef": {"name": "a"},
        "passwordSecretRef": {"name": "alice", "key": "password"},
        "permissions": {"preset": "ReadWrite", "directories": []},
    }
    assert made["status"] == {"observedGeneration": -1}


def messages(node: Any) -> set[str]:
    """The words of every rule in a schema."""
    found: set[str] = set()
    if isinstance(node, dict):
        found |= {rule["message"] for rule in node.get(VALIDATIONS, [])}
        for child in node.values():
            found |= messages(child)
    elif isinstance(node, list):
        for child in node:
            found |= messages(child)
    return found


def test_every_rule_of_the_crds_is_shown_above():
    shown = {words for _, words in REFUSED} | {words for *_, words in UNCHANGEABLE} | {NAME_RULE, USER_NAME_RULE}
    assert messages(list(schema.crds().values())) == shown


def test_a_misspelt_field_is_refused(namespace: Namespace):
    assert 'unknown field "spec.passive.frstPort"' in refusal(
        namespace, ftps_server("typo", passive={"frstPort": 50000})
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"explicit": {"port": 0}}, "spec.explicit.port"),
        ({"passive": {"portsPerReplica": 1}}, "spec.passive.portsPerReplica"),
        ({"service": {"type": "ExternalName"}}, "spec.service.type"),
        ({"users": [ALICE, ALICE]}, 'Duplicate value: {"name":"alice"}'),
        ({"users": [ALICE | {"name": "../x"}]}, "spec.users[0].name"),
        (user(passwordSecretRef={"name": "../../others/secrets/x"}), "spec.users[0].passwordSecretRef.name"),
        ({"storage": {"persistentVolumeClaim": {"size": "-1"}}}, "size"),
        (user(quota={"bytes": -1}), "spec.users[0].quota.bytes"),
        (user(quota={"bytes": "1e999"}), "spec.users[0].quota.bytes"),
        (user(allowedCIDRs=["10.1.0.0/8"]), "spec.users[0].allowedCIDRs[0]"),
        (user(permissions={"directories": [{"path": "in", "preset": "None"}]}), "directories[0].path"),
        (user(permissions={"directories": [{"path": "/in", "preset": "None"}] * 2}), 'Duplicate value: {"path":"/in"}'),
    ],
)
def test_a_bad_value_is_refused_with_its_path(namespace: Namespace, spec: Change, words: str):
    assert words in refusal(namespace, changed("bad", spec))


def test_the_least_that_is_needed_is_filled_in(namespace: Namespace):
    made = create(namespace, ftps_server("least"))
    spec = made["spec"]
    assert spec["explicit"] == {"enabled": True, "port": 21}
    assert spec["implicit"] == {"enabled": True, "port": 990}
    assert spec["passive"] == {
        "firstPort": 50000,
        "portsPerReplica": 20,
        "maxReplicas": 2,
        "address": "Auto",
        "addressOverrides": [],
        "sharedPorts": False,
    }
    assert spec["service"]["type"] == "ClusterIP"
    assert spec["service"]["externalTrafficPolicy"] == "Local"
    assert spec["tls"]["minVersion"] == "1.2"
    assert spec["tls"]["clientAuth"] == {"mode": "None", "userFrom": "CommonName"}
    assert spec["tls"]["dataSessionReuse"] == "Required"
    assert spec["limits"] == {
        "maxLoginAttempts": 3,
        "banFailures": 10,
        "idleTimeoutSeconds": 300,
        "transferTimeoutSeconds": 300,
    }
    assert spec["networkPolicy"] == {"enabled": True, "from": [], "metricsFrom": [], "portRanges": "EndPort"}
    assert spec["podDisruptionBudget"] == {"enabled": True}
    assert spec["allowedUserNamespaces"] == {"from": "Same"}
    assert spec["replicas"] == 1
    assert made["status"] == {"observedGeneration": -1}


def test_a_user_is_filled_in(namespace: Namespace):
    made = create(namespace, ftps_server("users", users=("alice",)))
    assert made["spec"]["users"] == [
        {
            "name": "alice",
            "passwordSecretRef": {"name": "alice", "key": "password"},
            "permissions": {"preset": "ReadWrite", "directories": []},
        }
    ]


def test_every_field_that_is_supported_is_accepted(namespace: Namespace):
    everything = yaml.safe_load((Path(__file__).parent / "data" / "everything.yaml").read_text())
    made = create(namespace, everything)
    for group, wanted in everything["spec"].items():
        assert group in made["spec"], group
        if isinstance(wanted, dict):
            assert wanted.items() <= made["spec"][group].items() or group in ("tls", "storage"), group


def test_short_names_and_the_category_are_known(operator: Cluster):
    listed = operator.kubectl("api-resources", "--api-group=ftps-operator.io", "--no-headers", "-o", "wide")
    assert sorted(line.split()[1] for line in listed.splitlines()) == ["ftps", "ftpsuser"]
    assert listed.count("ftps-operator") >= 2


def test_scale_goes_through_its_subresource_and_is_bounded(namespace: Namespace, request: pytest.FixtureRequest):
    manifest = ftps_server("scaled")
    manifest["metadata"]["annotations"] = {"ftps-operator.io/paused": "true"}
    namespace.apply(manifest)
    request.addfinalizer(lambda: namespace.delete("ftpsserver", "scaled"))
    assert "scaled" in namespace.kubectl("scale", "ftpsserver", "scaled", "--replicas=1")
    with pytest.raises(TestbedError, match=r"replicas must not exceed passive\.maxReplicas"):
        namespace.kubectl("scale", "ftpsserver", "scaled", "--replicas=3")
