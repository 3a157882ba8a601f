"""Behind haproxy: the server knows the clients by what the PROXY header says, and takes it from the proxy only."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.polling import eventually
from support.servers import HOST, PASSWORD, Namespace, at_the_load_balancer, ftps_server, password_secret
from support.target import Target
from testbed import Cluster
from testbed.network import CLIENT_ADDRESS

NAME = "proxied"
PASSIVE = {"firstPort": 41000, "portsPerReplica": 4, "maxReplicas": 1}
# One address of this host's loopback has the right to log in.
CLIENT, STRANGER = "127.0.0.5", "127.0.0.6"
HAPROXY = """\
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen ftps
  bind {proxy}:21
  bind {proxy}:990
  bind {proxy}:41000-41003
  server ftps {server} send-proxy-v2
"""


@pytest.fixture(scope="module")
def direct(operator: Cluster, namespace: Namespace) -> Target:
    """The server itself, past the proxy."""
    if not operator.embedded:
        pytest.skip("the proxy is where the clients are, which on somebody else's cluster may not be reached")
    alice = {"name": "alice", "passwordSecretRef": {"name": "alice"}, "allowedCIDRs": [f"{CLIENT}/32"]}
    proxies = {"enabled": True, "allowedProxies": [f"{CLIENT_ADDRESS}/32"]}
    manifest = ftps_server(
        NAME,
        service={"type": "LoadBalancer", "proxyProtocol": proxies},
        passive=PASSIVE | {"address": CLIENT_ADDRESS},
        tls={"certManager": {"issuerRef": operator.issuer, "dnsNames": [HOST]}},
        **at_the_load_balancer(operator),
    )
    manifest["spec"]["users"] = [alice]
    namespace.apply(password_secret("alice"), manifest)
    return Target(operator, namespace, NAME)


@pytest.fixture(scope="module")
def proxied(direct: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The same server, by the proxy, whose address is in its status."""
    ingress = (direct.namespace.get("service", NAME) or {})["status"]["loadBalancer"]["ingress"]
    config: Path = tmp_path_factory.mktemp("haproxy") / "haproxy.cfg"
    config.write_text(HAPROXY.format(proxy=CLIENT_ADDRESS, server=ingress[0]["ip"]))
    proxy = subprocess.Popen(direct.cluster.client_argv(["haproxy", "-db", "-f", str(config)]))
    try:
        eventually(lambda: list_from(direct, CLIENT).returncode == 0, seconds=20)
        yield direct
    finally:
        proxy.terminate()
        proxy.wait()


def list_from(target: Target, client: str, mode: str = "explicit") -> "subprocess.CompletedProcess[str]":
    return target.curl(mode, "", "--interface", client)


@pytest.mark.parametrize("mode", ["explicit", "implicit"])
def test_files_go_through_the_proxy_for_the_client_that_its_header_names(proxied: Target, tmp_path: Path, mode: str):
    assert proxied.address == CLIENT_ADDRESS
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(b"x" * 3_000_000)
    for words in (("--upload-file", str(there)), ("--output", str(back))):
        done = proxied.curl(mode, f"{mode}.bin", "--interface", CLIENT, *words)
        assert done.returncode == 0, done.stderr
    assert back.read_bytes() == there.read_bytes()


def test_another_client_of_the_same_proxy_is_another(proxied: Target):
    assert list_from(proxied, STRANGER).returncode == 67


def test_a_connection_without_the_header_is_refused(proxied: Target, namespace: Namespace):
    ingress = (namespace.get("service", NAME) or {})["status"]["loadBalancer"]["ingress"]
    done = proxied.run("curl", "-sS", "--max-time", "10", "--user", f"alice:{PASSWORD}", f"ftp://{ingress[0]['ip']}/")
    assert done.returncode in (28, 56), done.stderr  # curl: nothing is said, or the connection ends
