"""An API server with nothing behind it, for what a cluster that others use must not go through: CRDs that go away.

No node, no controllers: objects are stored and watched, and nothing becomes of them.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.polling import eventually
from testbed.paths import CHECKOUT
from testbed.pki import Authority

HOST = "127.0.0.1"
START_SECONDS = 60


class ApiServer:
    """The API server, as an administrator sees it."""

    def __init__(self, binaries: Path, kubeconfig: Path) -> None:
        self.binaries = binaries
        self.kubeconfig = kubeconfig

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True, seconds: float = 60) -> str:
        argv = [str(self.binaries / "kubectl"), f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=seconds)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def apply(self, namespace: str, *manifests: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(listed))

    def get(self, namespace: str, kind: str, name: str) -> dict[str, Any] | None:
        text = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found", check=False)
        found: dict[str, Any] | None = json.loads(text) if text else None
        return found


@contextmanager
def api_server(binaries: Path, folder: Path) -> Iterator[ApiServer]:
    """Run one with the project's CRDs, on ports of its own."""
    authority = Authority.create(folder / "pki")
    authority.issue("apiserver", "kube-apiserver", names=(HOST,))
    authority.issue("admin", "admin", group="system:masters")
    store, peer, secure = _free_port(), _free_port(), _free_port()
    kubeconfig = folder / "admin.kubeconfig"
    authority.kubeconfig(kubeconfig, f"https://{HOST}:{secure}", user=authority.client("admin"))
    pki = authority.folder
    etcd = [
        str(binaries / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://{HOST}:{store}",
        f"--advertise-client-urls=http://{HOST}:{store}",
        f"--listen-peer-urls=http://{HOST}:{peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    apiserver = [
        str(binaries / "kube-apiserver"),
        f"--etcd-servers=http://{HOST}:{store}",
        f"--bind-address={HOST}",
        f"--advertise-address={HOST}",
        "--endpoint-reconciler-type=none",  # no Service leads to an address of loopback
        f"--secure-port={secure}",
        "--service-cluster-ip-range=10.97.0.0/16",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",  # nobody makes a namespace's account
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
    ]
    made = ApiServer(binaries, kubeconfig)
    with _running(etcd, folder / "etcd.log"), _running(apiserver, folder / "apiserver.log"):
        eventually(lambda: made.kubectl("get", "--raw", "/readyz", check=False) == "ok", seconds=START_SECONDS)
        made.kubectl("apply", "--server-side", "-f", str(CHECKOUT / "crds"))
        made.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield made


@contextmanager
def operator_process(server: ApiServer, log: Path, *flags: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the operator against it."""
    words = ["run", "--kubeconfig", str(server.kubeconfig), "--server-image", "localhost/none"]
    words += ["--leader-election", "false", "--health-port", str(_free_port()), *flags]
    with _running([sys.executable, "-m", "ftps_operator", *words], log) as process:
        yield process


@contextmanager
def _running(argv: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port
