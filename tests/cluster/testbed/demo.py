"""The demo: from nothing to a file that went in and out over FTPS, certificate verified."""

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from testbed.errors import TestbedError
from testbed.install import ensure_namespace, install_operator
from testbed.interface import Cluster
from testbed.paths import CHECKOUT
from testbed.progress import say, step
from testbed.shell import run

NAMESPACE = "demo"
SERVER = "partner-exchange"
HOST = "ftps.example.com"
EXAMPLE = CHECKOUT / "docs" / "examples" / "quickstart.yaml"
LOGIN = "alice:correct-horse-battery-staple"
READY_SECONDS = 120


def run_demo(cluster: Cluster) -> None:
    """Install the operator, apply the quick start, move a file, and say how to go on."""
    with step("Installing the operator with its chart"):
        install_operator(cluster)
    ensure_namespace(cluster, NAMESPACE)
    with step(f"Applying {EXAMPLE.relative_to(CHECKOUT)}"):
        cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=example(cluster))
        started = time.monotonic()
        wait_ready(cluster, NAMESPACE, SERVER)
        say(f"  the FtpsServer is Ready after {time.monotonic() - started:.1f} s")
    address = cluster.kubectl("get", "ftps", SERVER, "-n", NAMESPACE, "-o", "jsonpath={.status.address}")
    for mode, scheme, port in (("explicit", "ftp", 21), ("implicit", "ftps", 990)):
        with step(f"Uploading and downloading a file through {mode} FTPS"):
            _round_trip(cluster, address, scheme, port)
    print()
    print(cluster.kubectl("get", "ftpsserver", SERVER, "-n", NAMESPACE))
    print(_next_commands(cluster, address))


def example(cluster: Cluster) -> str:
    """The quick start, with the issuer that this cluster has."""
    return EXAMPLE.read_text().replace("name: testbed-ca", f"name: {cluster.issuer['name']}")


def wait_ready(cluster: Cluster, namespace: str, name: str) -> None:
    """Wait for the condition Ready. Raises TestbedError with what the status says."""
    words = ["wait", "ftpsserver", name, "-n", namespace, "--for=condition=Ready", f"--timeout={READY_SECONDS}s"]
    try:
        cluster.kubectl(*words)
    except TestbedError as error:
        path = '{.status.conditions[?(@.type=="Ready")].message}'
        said = cluster.kubectl("get", "ftps", name, "-n", namespace, "-o", f"jsonpath={path}", check=False)
        raise TestbedError(f"the FtpsServer {name} did not become Ready: {said or error}") from None


def _curl(cluster: Cluster, address: str, scheme: str, port: int) -> Callable[..., list[str]]:
    common = ["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", str(cluster.ca_file), "--user", LOGIN]
    resolve = ["--connect-to", f"{HOST}:{port}:{address}:{port}"]

    def command(*words: str, file: str) -> list[str]:
        return cluster.client_argv([*common, *resolve, *words, f"{scheme}://{HOST}:{port}/{file}"])

    return command


def _round_trip(cluster: Cluster, address: str, scheme: str, port: int) -> None:
    curl = _curl(cluster, address, scheme, port)
    with tempfile.TemporaryDirectory() as folder:
        sent, received = Path(folder, "sent"), Path(folder, "received")
        sent.write_bytes(secrets.token_bytes(1 << 20))
        run(curl("--upload-file", str(sent), file="hello.bin"))
        run(curl("--output", str(received), file="hello.bin"))
        if sent.read_bytes() != received.read_bytes():
            raise TestbedError("the file came back changed")
        say("  1 MiB went in and out, byte for byte; the certificate was verified")


def _next_commands(cluster: Cluster, address: str) -> str:
    kubectl, client = ("tests/cluster/kubectl", "tests/cluster/client ") if cluster.embedded else ("kubectl", "")
    curl = (
        f"{client}curl --ssl-reqd --cacert {cluster.ca_file} --user {LOGIN} \\\n"
        f"      --connect-to {HOST}:21:{address}:21 ftp://{HOST}/"
    )
    lines = [
        "It goes on running. Try:",
        "",
        f"  {kubectl} get ftpsservers --all-namespaces",
        f"  {kubectl} describe ftpsserver {SERVER} -n {NAMESPACE}",
        f"  {kubectl} logs -n {NAMESPACE} deployment/{SERVER}-0",
        f"  {curl}",
        "",
    ]
    if cluster.embedded:
        prefix = f"TESTBED_NAME={os.environ['TESTBED_NAME']} " if "TESTBED_NAME" in os.environ else ""
        lines.append(f"  {prefix}make down      ends it, and leaves nothing behind")
    return "\n".join(lines)
