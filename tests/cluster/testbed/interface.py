"""What tests and the demo ask of a cluster, be it the embedded one or the current kubeconfig's."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from testbed import build, images, network
from testbed.embedded import ISSUER, Embedded, ensure_client_tools
from testbed.errors import TestbedError
from testbed.kubeconfig import write_kubeconfig
from testbed.locks import exclusive
from testbed.paths import CACHE, Instance
from testbed.shell import run

Completed = subprocess.CompletedProcess[str]


class Cluster(Protocol):
    """A running cluster."""

    embedded: bool
    """Whether it is ours: what touches nodes and networks is possible on ours only."""
    issuer: dict[str, str]
    """A cert-manager issuerRef (kind, name)."""
    ca_file: Path
    """The certificate of that issuer's authority."""

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl as an administrator. Returns its standard output; raises TestbedError if it fails."""

    def helm(self, *words: str) -> str:
        """Run helm likewise."""

    def client_argv(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` where clients of a load balancer are."""

    def image(self, name: str) -> str:
        """The reference of one of the project's images (ftps-operator, ftps-server), there to be run."""

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a ServiceAccount, to run the operator as a process with just its rights."""


class EmbeddedCluster:
    """The embedded cluster, up."""

    embedded = True

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._instance = embedded.instance
        self.issuer = {"kind": "ClusterIssuer", "name": ISSUER}
        self.ca_file = self._instance.ca_file

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        return self._embedded.kubectl(*words, stdin=stdin, check=check)

    def helm(self, *words: str) -> str:
        argv = [str(self._instance.state / "bin" / "helm"), f"--kubeconfig={self._instance.kubeconfig}", *words]
        return run(network.inside(self._instance, "client", argv)).stdout

    def client_argv(self, argv: Sequence[str]) -> list[str]:
        return network.inside(self._instance, "client", argv)

    def image(self, name: str) -> str:
        # Until it is imported: another run with other sources removes archives that are old.
        with exclusive(CACHE, "building"):
            built = images.ensure(name)
            for node in self._embedded.nodes():
                if built.reference not in node.images():
                    node.import_image(built.archive)
        return built.reference

    def tag_image(self, reference: str, other: str) -> None:
        """Give an image that the nodes have another name."""
        for node in self._embedded.nodes():
            node.tag_image(reference, other)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        pki = self._instance.state / "pki"
        path = self._instance.state / f"{namespace}-{name}.kubeconfig"
        return _token_kubeconfig(
            self, path, namespace, name, server=embedded_server(), ca=(pki / "ca.crt").read_bytes()
        )


def embedded_server() -> str:
    """The URL of the embedded cluster's API server."""
    return f"https://{network.node_address(0)}:6443"


class CurrentCluster:
    """The cluster of the current kubeconfig."""

    embedded = False

    def __init__(self) -> None:
        if shutil.which("kubectl") is None:
            raise TestbedError("CLUSTER=current needs kubectl on the PATH")
        registry = os.environ.get("IMAGE_REGISTRY")
        if not registry:
            raise TestbedError("CLUSTER=current needs IMAGE_REGISTRY: a registry that the cluster can pull from")
        ensure_client_tools()
        self._registry = registry
        self._pushed: dict[str, str] = {}
        self.issuer = {"kind": "ClusterIssuer", "name": os.environ.get("ISSUER", ISSUER)}
        self.ca_file = CACHE / "current-issuer-ca.crt"
        if "ISSUER" not in os.environ:
            self._make_issuer()
        elif authority := os.environ.get("ISSUER_CA_FILE") or ssl.get_default_verify_paths().cafile:
            self.ca_file = Path(authority)  # unnamed: an issuer that this machine trusts, like a public one

    def _make_issuer(self) -> None:
        documents = Path(__file__).with_name("objects.yaml").read_text().split("\n---\n")
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(documents[1:]))  # all but the storage class
        self.kubectl("wait", "-n", "cert-manager", "certificate", ISSUER, "--for=condition=Ready", "--timeout=60s")
        encoded = self.kubectl("get", "secret", "-n", "cert-manager", ISSUER, "-o", r"jsonpath={.data.ca\.crt}")
        self.ca_file.parent.mkdir(parents=True, exist_ok=True)
        self.ca_file.write_text(run(["base64", "-d"], stdin=encoded).stdout)

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        return run(["kubectl", *words], stdin=stdin, check=check).stdout

    def helm(self, *words: str) -> str:
        return run([shutil.which("helm") or self._built_helm(), *words]).stdout

    def _built_helm(self) -> str:
        with exclusive(CACHE, "building"):
            return str(build.ensure() / "helm")

    def client_argv(self, argv: Sequence[str]) -> list[str]:
        return list(argv)

    def image(self, name: str) -> str:
        if name not in self._pushed:
            with exclusive(CACHE, "building"):
                self._pushed[name] = images.push(name, self._registry)
        return self._pushed[name]

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        # --flatten: minikube and others name files, which would leave the field empty.
        flags = ("config", "view", "--minify", "--flatten", "--raw", "-o")
        server = self.kubectl(*flags, "jsonpath={.clusters[0].cluster.server}")
        encoded = self.kubectl(*flags, "jsonpath={.clusters[0].cluster.certificate-authority-data}")
        ca = run(["base64", "-d"], stdin=encoded).stdout.encode()
        return _token_kubeconfig(self, CACHE / "current.kubeconfig", namespace, name, server=server, ca=ca)


def _token_kubeconfig(cluster: Cluster, path: Path, namespace: str, name: str, *, server: str, ca: bytes) -> Path:
    token = cluster.kubectl("create", "token", name, "-n", namespace, "--duration=2h").strip()
    write_kubeconfig(path, server, ca, user={"token": token})
    return path


def connect(*, nodes: int = 1) -> Cluster:
    """The cluster that CLUSTER names: the embedded one, started where it is not up, or the current kubeconfig's."""
    if os.environ.get("CLUSTER") == "current":
        return CurrentCluster()
    embedded = Embedded(Instance.current())
    embedded.up(nodes=nodes)
    return EmbeddedCluster(embedded)
