"""What the running servers are told of."""

from typing import Any

from ftps_operator.desired.config import build_address_config, build_config_map
from ftps_operator.desired.reload import reload_digest
from ftps_operator.models import FtpsServer
from ftps_operator.observed import Observed
from ftps_operator.secretview import SecretView
from support.samples import owned, server

CLIENT_AUTH = {"secretName": "mine", "clientAuth": {"mode": "Optional", "caSecretName": "partners"}}


def digest(made: FtpsServer, **files: bytes) -> str:
    """The digest of a cluster in which all is written; `files` are those of the authorities' Secret."""
    partners = SecretView("partners", "v1", "1", "uid", {name.replace("_", "."): text for name, text in files.items()})
    written = owned(made, build_config_map(made, build_address_config(made, None)))
    return reload_digest(made, Observed(secrets={"partners": partners}).with_object(written))


def serving(**spec: Any) -> FtpsServer:
    return server(tls=CLIENT_AUTH, **spec)


def test_new_limits_are_told():
    assert digest(serving(limits={"maxSessions": 5})) != digest(serving())


def test_new_authorities_and_revocations_are_told():
    digests = [digest(serving(), **files) for files in ({}, {"ca_crt": b"a"}, {"ca_crt": b"b"}, {"ca_crl": b"a"})]
    assert len(set(digests)) == len(digests)


def test_a_secret_that_nobody_mounts_is_not_told():
    assert digest(server(), ca_crt=b"a") == digest(server(), ca_crt=b"b")
