"""Active mode: the server connects to the client, from the port that RFC 959 names, though its pod may do nothing."""

import socket
from typing import Any

import pytest

from support.ftps import Ftps
from support.polling import eventually
from support.servers import HOST, PASSWORD, Namespace, at_the_load_balancer, ftps_server, password_secret
from support.target import Target
from testbed import Cluster

NAME = "active"


@pytest.fixture(scope="module")
def target(operator: Cluster, namespace: Namespace) -> Target:
    certificate: dict[str, Any] = {"issuerRef": operator.issuer, "dnsNames": [HOST]}
    namespace.apply(
        password_secret("alice"),
        ftps_server(
            NAME,
            users=("alice",),
            active={"enabled": True},
            service={"type": "LoadBalancer", "externalTrafficPolicy": "Local"},  # shows the clients' own addresses
            tls={"certManager": certificate},
            **at_the_load_balancer(operator),
        ),
    )
    certificate["ipAddresses"] = [namespace.wait_ready(NAME)["status"]["address"]]
    namespace.patch("ftpsserver", NAME, {"spec": {"tls": {"certManager": certificate}}})
    made = Target(operator, namespace, NAME)
    # Until cert-manager has signed it, the certificate without the address goes on.
    eventually(lambda: made.lftp("explicit", "cls").returncode == 0, seconds=20)
    return made


@pytest.fixture(autouse=True)
def _reachable(embedded: Cluster) -> None:
    """Elsewhere pods may not reach the machine that the tests run on."""


@pytest.mark.parametrize("mode", ["explicit", "implicit"])
def test_lftp_uploads_lists_and_downloads(target: Target, tmp_path: Any, mode: str):
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(b"x" * 5_000_000)
    commands = f"set ftp:passive-mode off; put {there} -o {mode}.bin; cls; get {mode}.bin -o {back}"
    done = target.lftp(mode, commands)
    assert done.returncode == 0, done.stderr
    assert f"{mode}.bin" in done.stdout
    assert back.read_bytes() == there.read_bytes()


def test_data_comes_from_port_20_of_a_pod_that_is_restricted(target: Target, namespace: Namespace):
    with target.session() as session:
        session.login("alice", PASSWORD)
        session.prot_p()
        assert source_of_data(session)[1] == 20
    (pod,) = namespace.pods(NAME)
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def source_of_data(session: Ftps) -> tuple[str, int]:
    """From where PORT's data connection comes."""
    host = session.sock.getsockname()[0]
    with socket.create_server((host, 0)) as listening:
        listening.settimeout(20)
        session.sendport(host, listening.getsockname()[1])
        accepted, peer = listening.accept()
        accepted.close()
    return peer[0], peer[1]
