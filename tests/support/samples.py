"""Plain data for tests that need no cluster."""

import datetime
from pathlib import Path
from typing import Any

import yaml

from ftps_operator.credentials import Credentials
from ftps_operator.desired.plan import Inputs, steps
from ftps_operator.models import FtpsServer, FtpsUser
from ftps_operator.observed import Observed
from ftps_server.config import UsersConfig

EVERYTHING = Path(__file__).parents[1] / "e2e" / "data" / "everything.yaml"
NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
NOBODY = Credentials(UsersConfig(), {}, ())


def server(name: str = "exchange", **spec: Any) -> FtpsServer:
    """A server as the API server would hold it."""
    body = {
        "metadata": {"name": name, "namespace": "files", "uid": "uid-1", "generation": 3},
        "spec": {"tls": {"secretName": "mine"}, "storage": {"emptyDir": {}}} | spec,
    }
    return FtpsServer.parse(body)


def ftps_user(
    name: str = "dora", namespace: str = "files", /, *, made: str = "2026-11-24T12:00:00Z", **spec: Any
) -> FtpsUser:
    """A user as the API server would hold it."""
    return FtpsUser.parse(ftps_user_body(name, namespace, made=made, **spec))


def ftps_user_body(name: str, namespace: str, /, *, made: str = "2026-11-24T12:00:00Z", **spec: Any) -> dict[str, Any]:
    """The same as it is answered, of FtpsServer files/exchange unless told otherwise."""
    return {
        "apiVersion": "ftps-operator.io/v1alpha1",
        "kind": "FtpsUser",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": made,
        },
        "spec": {
            "serverRef": {"name": "exchange", "namespace": "files"},
            **(
                {}
                if {"passwordHashSecretRef", "clientCertificate"} & spec.keys()
                else {"passwordSecretRef": {"name": name}}
            ),
        }
        | spec,
        "status": {"observedGeneration": -1},
    }


def everything() -> FtpsServer:
    """A server that says something in every field."""
    body = yaml.safe_load(EVERYTHING.read_text())
    body["metadata"] |= {"namespace": "files", "uid": "uid-1", "generation": 3}
    return FtpsServer.parse(body)


def manifests(made: FtpsServer, observed: Observed) -> dict[str, dict[str, Any]]:
    """What the steps want, by kind; of the shards the last. Nothing is written in between."""
    inputs = Inputs(credentials=NOBODY, default_image="ftps-server:1", now=NOW)
    wanted = [manifest for step in steps(made) if (manifest := step(made, observed, inputs))]
    return {manifest["kind"]: manifest for manifest in wanted}


def owned(made: FtpsServer, manifest: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An object as the API server would hold it."""
    meta = {"uid": "uid-child", "resourceVersion": "1", "generation": 1}
    return manifest | {"metadata": manifest["metadata"] | meta} | fields
