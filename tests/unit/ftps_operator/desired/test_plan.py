"""The manifests, compared with files that people can read. To renew them: UPDATE_GOLDEN=1 make test-unit."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftps_operator.certificates import self_sign
from ftps_operator.desired.plan import Inputs, client_auth_problem
from ftps_operator.desired.secrets import build_tls_secret
from ftps_operator.kinds import of
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import claimed_slots
from ftps_operator.observed import Observed
from ftps_operator.secretview import SecretView
from support.samples import NOBODY, NOW, everything, manifests, owned, server

GOLDEN = Path(__file__).parents[1] / "golden"


PAIR = self_sign(["ftp.example.com"], now=NOW)
TLS = {"tls.crt": PAIR.certificate, "tls.key": PAIR.private_key}
AUTHORITIES = {"ca.crt": PAIR.certificate}
WITH_CLIENT_AUTH = {"secretName": "mine", "clientAuth": {"mode": "Required", "caSecretName": "partners"}}


def with_secrets(**secrets: dict[str, bytes]) -> Observed:
    """A cluster in which these Secrets are there."""
    return Observed(secrets={name: SecretView(name, "v1", "1", f"uid-{name}", data) for name, data in secrets.items()})


CASES = {
    "least": (server(), with_secrets(mine=TLS)),
    "everything": (everything(), with_secrets(**{"everything-tls": TLS, "partners": AUTHORITIES})),
    "loadbalancer": (
        server(service={"type": "LoadBalancer"}, storage={"persistentVolumeClaim": {"size": "1Gi"}}),
        with_secrets(mine=TLS),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_manifests_are_those_of_the_golden_file(case: str):
    made = manifests(*CASES[case])
    text = yaml.safe_dump_all(made.values(), sort_keys=False)
    path = GOLDEN / f"{case}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert list(yaml.safe_load_all(path.read_text())) == list(made.values())


def values(node: Any):
    if isinstance(node, dict):
        for child in node.values():
            yield from values(child)
    elif isinstance(node, list):
        for child in node:
            yield from values(child)
    else:
        yield node


@pytest.mark.parametrize("case", CASES)
def test_a_manifest_says_nothing_of_what_is_not_decided(case: str):
    assert None not in list(values(list(manifests(*CASES[case]).values())))


@pytest.mark.parametrize("case", CASES)
def test_the_same_input_makes_the_same_manifests(case: str):
    assert manifests(*CASES[case]) == manifests(*CASES[case])


def test_no_pod_is_made_before_there_is_a_certificate():
    assert "Deployment" not in manifests(server(), Observed())


def test_a_deployment_that_is_there_stays_when_the_certificate_is_gone():
    made = server()
    deployment = manifests(made, with_secrets(mine=TLS))["Deployment"]
    observed = Observed().with_object(owned(made, deployment))
    assert manifests(made, observed)["Deployment"] == deployment


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "Secret partners is missing"),
        ({"partners": {}}, "Secret partners: ca.crt holds no certificates"),
        ({"partners": {"ca.crt": b"x"}}, "Secret partners: ca.crt holds no certificates"),
        ({"partners": AUTHORITIES | {"ca.crl": b"x"}}, "Secret partners: ca.crl holds no certificate revocation list"),
    ],
)
def test_no_pod_is_made_before_it_is_known_whose_client_certificates_are_trusted(
    secrets: dict[str, dict[str, bytes]], words: str
):
    made, observed = server(tls=WITH_CLIENT_AUTH), with_secrets(mine=TLS, **secrets)
    assert client_auth_problem(made, observed).startswith(words)
    assert "Deployment" not in manifests(made, observed)


def volumes(deployment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {volume["name"]: volume for volume in deployment["spec"]["template"]["spec"]["volumes"]}


def test_of_the_authorities_secret_the_pods_see_no_private_key():
    made = server(tls=WITH_CLIENT_AUTH)
    observed = with_secrets(mine=TLS, partners=AUTHORITIES | TLS)
    sources = [
        each["secret"] for each in volumes(manifests(made, observed)["Deployment"])["client-ca"]["projected"]["sources"]
    ]
    assert [(each["name"], [item["key"] for item in each["items"]], each.get("optional")) for each in sources] == [
        ("partners", ["ca.crt"], None),
        ("partners", ["ca.crl"], True),
    ]


def test_without_client_certificates_no_authorities_are_mounted():
    made = server(tls={"secretName": "mine", "clientAuth": {"caSecretName": "partners"}})
    deployment = manifests(made, with_secrets(mine=TLS))["Deployment"]
    assert "client-ca" not in volumes(deployment)
    mounts = deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert "client-ca" not in {mount["name"] for mount in mounts}


def template(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = manifests(server(**spec), with_secrets(mine=TLS))["Deployment"]["spec"]["template"]
    return found


def sysctls(**spec: Any) -> list[dict[str, str]] | None:
    found: list[dict[str, str]] | None = template(**spec)["spec"]["securityContext"].get("sysctls")
    return found


def test_active_mode_opens_the_source_ports_to_who_is_not_root_and_nothing_else_does():
    assert sysctls() is None
    start = "net.ipv4.ip_unprivileged_port_start"
    assert sysctls(active={"enabled": True}) == [{"name": start, "value": "20"}]
    implicit_only = {"active": {"enabled": True}, "explicit": {"enabled": False}}
    assert sysctls(**implicit_only) == [{"name": start, "value": "989"}]


def test_changed_limits_are_reloaded_and_no_rollout():
    assert template(limits={"maxSessions": 5}) == template()
    assert template(passive={"sharedPorts": True}) != template()


def test_a_self_signed_certificate_stands_until_it_is_due():
    made = server(tls={"selfSigned": {}})
    first = manifests(made, Observed())
    secrets = [first["Secret"]]
    assert secrets[0]["metadata"]["name"] in ("exchange-users", "exchange-tls")
    pair = self_sign(["exchange.files.svc", "exchange.files.svc.cluster.local", "exchange.files"], now=NOW)
    stored = build_tls_secret(made, certificate=pair.certificate, private_key=pair.private_key)
    observed = Observed().with_object(owned(made, stored))
    from ftps_operator.desired.plan import _self_signed

    assert _self_signed(made, observed, now=NOW) == stored
    import datetime

    assert _self_signed(made, observed, now=NOW + datetime.timedelta(days=61)) != stored


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_written_to_a_name_that_was_not_looked_at_first(case: str):
    # A slot that is not claimed is not asked for: what somebody else has there would be taken over.
    made, observed = CASES[case]
    slots = {(of(manifest), manifest["metadata"]["name"]) for manifest in manifests(made, observed).values()}
    assert slots <= set(claimed_slots(made))


def test_what_is_not_wanted_is_not_claimed():
    made = server(networkPolicy={"enabled": False}, podDisruptionBudget={"enabled": False}, serviceAccountName="mine")
    claimed = {kind.kind for kind, _ in claimed_slots(made)}
    assert claimed == {"ConfigMap", "Secret", "Service", "Deployment"}
    assert [name for kind, name in claimed_slots(made) if kind.kind == "Secret"] == ["exchange-users"]
    assert [name for kind, name in claimed_slots(made) if kind.kind == "Deployment"] == ["exchange-0"]


def observed_after(made: FtpsServer, **secrets: dict[str, bytes]) -> Observed:
    """A cluster in which everything was made while the Secrets were there."""
    observed = with_secrets(**secrets)
    for manifest in manifests(made, observed).values():
        observed = observed.with_object(owned(made, manifest))
    return observed


def test_a_change_that_needs_a_missing_secret_waits_and_the_pods_stay_as_they_are():
    observed = observed_after(server(), mine=TLS)
    wanted = manifests(server(tls=WITH_CLIENT_AUTH), observed)
    assert "Deployment" not in wanted
    # What a container would read that restarts in its old pod.
    assert wanted["ConfigMap"]["data"] == manifests(server(), observed)["ConfigMap"]["data"]
    assert "Deployment" not in manifests(server(tls={"secretName": "other"}), observed)
    mended = replace(observed, secrets={**observed.secrets, **with_secrets(partners=AUTHORITIES).secrets})
    wanted = manifests(server(tls=WITH_CLIENT_AUTH), mended)
    assert "client-ca" in volumes(wanted["Deployment"])
    assert '"mode":"Required"' in wanted["ConfigMap"]["data"]["server.json"]


def test_a_secret_that_was_self_signed_is_left_to_cert_manager_once_it_has_written_it():
    made = server(tls={"certManager": {"issuerRef": {"name": "a"}}})
    pair = build_tls_secret(made, certificate=PAIR.certificate, private_key=PAIR.private_key)
    stored = SecretView.of(owned(made, pair))
    before = manifests(made, Observed(secrets={"exchange-tls": stored}))
    assert before["Secret"]["metadata"]["name"] == "exchange-users"
    issued = replace(stored, annotations={"cert-manager.io/issuer-group": "cert-manager.io"})
    from ftps_operator.desired.plan import _tls_secret

    inputs = Inputs(credentials=NOBODY, default_image="ftps-server:1", now=NOW)
    secret = _tls_secret(made, Observed(secrets={"exchange-tls": issued}), inputs)
    assert secret is not None
    assert secret["metadata"]["uid"] == "uid-child"
    assert secret["type"] == "kubernetes.io/tls"  # immutable, and perhaps ours
    assert "data" not in secret
