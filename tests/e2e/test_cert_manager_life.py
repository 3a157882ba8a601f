"""cert-manager comes after the operator, and goes. On an API server of its own: the cluster's must keep it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.apiserver import ApiServer, api_server, operator_process
from support.polling import eventually
from support.servers import condition, ftps_server
from testbed import Cluster, build

NAME = "waiting"
TEAM = "team"
ISSUED = ftps_server(NAME, tls={"certManager": {"issuerRef": {"name": "issuer"}}})
STALLED_SECONDS = 45
"""A stalled server is looked at each 30 s."""


@pytest.fixture
def server(embedded: Cluster, tmp_path: Path) -> Iterator[ApiServer]:
    with api_server(build.ensure(), tmp_path) as made:
        made.kubectl("create", "namespace", TEAM)
        yield made


def reason(server: ApiServer, kind: str = "Ready", name: str = NAME) -> str:
    found = server.get(TEAM, "ftpsserver", name)
    assert found is not None
    text: str = condition(found, kind)["reason"]
    return text


def certificate(server: ApiServer) -> dict[str, Any] | None:
    return server.get(TEAM, "certificates.cert-manager.io", f"{NAME}-tls")


def install_cert_manager(server: ApiServer) -> None:
    server.kubectl("apply", "--server-side", "-f", str(server.binaries / "crds"))
    server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


def remove_cert_manager(server: ApiServer) -> None:
    # The API server looks every five seconds whether a kind's objects have gone, one kind after the other.
    server.kubectl("delete", "-f", str(server.binaries / "crds"), "--timeout=150s", seconds=160)


def test_an_operator_of_the_whole_cluster_goes_on_whether_cert_manager_comes_or_goes(server: ApiServer, tmp_path: Path):
    with operator_process(server, tmp_path / "operator.log") as process:
        server.apply(TEAM, ISSUED, ftps_server("alone"))
        eventually(lambda: reason(server) == "CertManagerMissing", seconds=30)
        eventually(lambda: reason(server, "CertificateReady", "alone") == "CertificateValid", seconds=10)

        install_cert_manager(server)
        eventually(lambda: certificate(server), seconds=STALLED_SECONDS)
        eventually(lambda: reason(server) == "CertificateNotReady", seconds=5)
        # It is watched by now, too.
        server.kubectl("delete", "certificates.cert-manager.io", f"{NAME}-tls", "-n", TEAM)
        eventually(lambda: certificate(server), seconds=10, what="a deleted Certificate returns")

        remove_cert_manager(server)
        server.kubectl("annotate", "ftpsserver", NAME, "-n", TEAM, "look=again")
        eventually(lambda: reason(server) == "CertManagerMissing", seconds=STALLED_SECONDS)
        # Who does without it is served as before.
        server.kubectl("delete", "service", "alone", "-n", TEAM)
        eventually(lambda: server.get(TEAM, "service", "alone"), seconds=10)

        install_cert_manager(server)
        eventually(lambda: certificate(server), seconds=STALLED_SECONDS, what="the Certificate is made again")
        assert process.poll() is None


def test_an_operator_of_some_namespaces_starts_anew_when_cert_manager_comes(server: ApiServer, tmp_path: Path):
    some = ("--namespaces", TEAM)
    with operator_process(server, tmp_path / "first.log", *some) as process:
        server.apply(TEAM, ISSUED, ftps_server("alone"))
        eventually(lambda: reason(server) == "CertManagerMissing", seconds=30)
        install_cert_manager(server)
        # It must not watch CRDs, and kopf looks for kinds at the start only.
        assert process.wait(60) == 0
    with operator_process(server, tmp_path / "second.log", *some) as process:
        eventually(lambda: certificate(server), seconds=30)
        eventually(lambda: reason(server) == "CertificateNotReady", seconds=10)
        server.kubectl("delete", "certificates.cert-manager.io", f"{NAME}-tls", "-n", TEAM)
        eventually(lambda: certificate(server), seconds=10, what="a deleted Certificate returns")

        remove_cert_manager(server)
        server.kubectl("annotate", "ftpsserver", NAME, "-n", TEAM, "look=again")
        eventually(lambda: reason(server) == "CertManagerMissing", seconds=STALLED_SECONDS)
        server.kubectl("delete", "service", "alone", "-n", TEAM)
        eventually(lambda: server.get(TEAM, "service", "alone"), seconds=10)
        assert process.poll() is None
