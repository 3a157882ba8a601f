"""The manifests, compared with files that people can read. To renew them: UPDATE_GOLDEN=1 make test-unit."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftps_operator.certificates import self_sign
from ftps_operator.desired.secrets import build_tls_secret
from ftps_operator.observed import Observed
from ftps_operator.secretview import SecretView
from support.samples import NOW, everything, manifests, owned, server

GOLDEN = Path(__file__).parents[1] / "golden"


def with_certificate(name: str) -> Observed:
    """A cluster in which a certificate is there."""
    pair = self_sign(["ftp.example.com"], now=NOW)
    data = {"tls.crt": pair.certificate, "tls.key": pair.private_key}
    return Observed(secrets={name: SecretView(name, "v1", "1", "uid-secret", data)})


CASES = {
    "least": (server(), with_certificate("mine")),
    "everything": (everything(), with_certificate("everything-tls")),
    "loadbalancer": (
        server(service={"type": "LoadBalancer"}, storage={"persistentVolumeClaim": {"size": "1Gi"}}),
        with_certificate("mine"),
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
    deployment = manifests(made, with_certificate("mine"))["Deployment"]
    observed = Observed().with_object(owned(made, deployment))
    assert manifests(made, observed)["Deployment"] == deployment


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
