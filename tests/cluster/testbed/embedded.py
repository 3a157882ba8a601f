"""The embedded cluster's life: up, down, and what is left."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from testbed import build, cgroups, images, mounts, network, packages
from testbed.controlplane import (
    SERVER,
    start_cert_manager,
    start_controllers,
    start_store,
    write_credentials,
)
from testbed.errors import TestbedError
from testbed.locks import exclusive
from testbed.node import Node, network_results, remove_data
from testbed.paths import CACHE, RUN, Instance
from testbed.progress import say, step
from testbed.shell import run
from testbed.supervise import Supervisor, end_all, wait_for

BASE_OBJECTS = Path(__file__).with_name("objects.yaml")
END_SECONDS = 10.0
VISITOR_SECONDS = 3.0
ISSUER = "testbed-ca"


class Embedded:
    """One embedded cluster."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.supervisor = Supervisor(instance)

    def up(self, *, nodes: int = 1) -> None:
        """Start the cluster and wait until its nodes are Ready; nothing is done where it runs already."""
        _require_root()
        if self.is_up(nodes):
            return
        with exclusive(RUN, "starting or stopping a cluster"):
            if not self.is_up(nodes):  # another run may just have started it
                self._up(nodes)

    def _up(self, nodes: int) -> None:
        if self.remains():
            with step("Removing what an earlier run left"):
                self._down()
        with exclusive(CACHE, "building"):
            packages.ensure()
            binaries = build.ensure()
            pause = images.ensure_pause()
        with step(f"Starting a cluster of {nodes} node{'s' if nodes > 1 else ''}", self.instance.logs):
            self._start(binaries, pause, nodes)
        (self.instance.state / "up.json").write_text(json.dumps({"nodes": nodes}))
        say(f"The cluster is up: tests/cluster/kubectl get nodes (logs: {self.instance.logs})")

    def is_up(self, nodes: int = 1) -> bool:
        """Whether every process of it runs."""
        marker = self.instance.state / "up.json"
        if not marker.exists() or json.loads(marker.read_text())["nodes"] < nodes:
            return False
        processes = self.supervisor.processes()
        return bool(processes) and all(process.is_alive() for process in processes)

    def nodes(self) -> list[Node]:
        """The nodes of the running cluster."""
        marker = self.instance.state / "up.json"
        count = json.loads(marker.read_text())["nodes"] if marker.exists() else 0
        return [Node(self.instance, number) for number in range(count)]

    def _start(self, binaries: Path, pause: Path, nodes: int) -> None:
        instance = self.instance
        for folder in (instance.state, instance.data, instance.logs):
            folder.mkdir(parents=True, exist_ok=True)
        # The four executables find the programs here, without Python.
        (instance.state / "bin").symlink_to(binaries)
        network.create(instance, nodes)
        authority = write_credentials(instance)
        start_store(instance, self.supervisor, binaries)
        members = [Node(instance, number) for number in range(nodes)]
        for node in members:
            node.write_files(authority)
            node.start_runtime(self.supervisor)
            node.import_image(pause)
        wait_for("the API server", self._api_answers, seconds=60, processes=self.supervisor)
        start_controllers(instance, self.supervisor, binaries)
        for node in members:
            node.start(self.supervisor, binaries)
        self._start_addons(binaries, nodes)
        wait_for("the nodes", lambda: self._ready_nodes() == nodes, seconds=60, processes=self.supervisor)
        wait_for("the issuer's certificate", self._write_issuer_ca, seconds=60, processes=self.supervisor)

    def _start_addons(self, binaries: Path, nodes: int) -> None:
        self.kubectl("apply", "--server-side", "-f", str(binaries / "crds"))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self.kubectl("apply", "--server-side", "-f", str(BASE_OBJECTS))
        start_cert_manager(self.instance, self.supervisor, binaries)
        controllers = [sys.executable, "-m", "testbed.controllers", self.instance.name, str(nodes)]
        self.supervisor.start(
            "testbed-controllers",
            network.inside(self.instance, "node0", controllers),
            environment={"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl as the administrator."""
        argv = [str(self.instance.state / "bin" / "kubectl"), f"--kubeconfig={self.instance.kubeconfig}", *words]
        return run(network.inside(self.instance, "client", argv), stdin=stdin, check=check).stdout

    def _api_answers(self) -> bool:
        return self.kubectl("get", "--raw", "/readyz", "--request-timeout=2s", check=False) == "ok"

    def _ready_nodes(self) -> int:
        path = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
        return self.kubectl("get", "nodes", "-o", f"jsonpath={path}", check=False).split().count("True")

    def _write_issuer_ca(self) -> bool:
        path = r"jsonpath={.data.ca\.crt}"
        encoded = self.kubectl("get", "secret", "-n", "cert-manager", ISSUER, "-o", path, check=False)
        if not encoded:
            return False
        decoded = run(["base64", "-d"], stdin=encoded).stdout
        self.instance.ca_file.write_text(decoded)
        return True

    def down(self) -> None:
        """Stop and remove everything. Raises TestbedError that says what could not be removed."""
        _require_root()
        with exclusive(RUN, "starting or stopping a cluster"):
            self._down()

    def _down(self) -> None:
        """Stop and remove everything.

        The order: without the kubelet no container is started again; without containers nothing holds a namespace or
        a mount; containerd goes after its shims.
        """
        # First: should this be interrupted, nobody must take what is left for a cluster.
        (self.instance.state / "up.json").unlink(missing_ok=True)
        names = [process.name for process in self.supervisor.processes()]
        kubelets = [name for name in names if name.startswith("kubelet")]
        for name in kubelets:
            self.supervisor.stop(name)
        end_all(lambda: cgroups.processes(self.instance), signal.SIGKILL, seconds=END_SECONDS)
        end_all(lambda: mounts.shims(self.instance), signal.SIGKILL, seconds=END_SECONDS)
        self.supervisor.stop_all()
        self._end_visitors()
        mounts.unmount(self.instance)
        network.remove(self.instance)
        cgroups.remove(self.instance)
        # Before the folders that tell which of them are ours.
        for file in (*network_results(self.instance), *mounts.shim_sockets(self.instance)):
            file.unlink(missing_ok=True)
        remove_data(self.instance)
        left = self.remains()
        if left:
            raise TestbedError(f"these are left and could not be removed: {', '.join(left)}")

    def _end_visitors(self) -> None:
        """End what others run in our namespaces: it would keep them alive, nameless."""
        if not end_all(lambda: network.processes(self.instance), signal.SIGTERM, seconds=VISITOR_SECONDS):
            end_all(lambda: network.processes(self.instance), signal.SIGKILL, seconds=VISITOR_SECONDS)

    def remains(self) -> list[str]:
        """What there is of the instance: processes, namespaces, mounts, cgroups, folders."""
        return [
            *(f"process {each.pid} ({each.name})" for each in self.supervisor.processes() if each.is_alive()),
            *(f"process {pid}" for pid in {*mounts.shims(self.instance), *network.processes(self.instance)}),
            *map(str, network.existing(self.instance)),
            *(f"mount {each}" for each in mounts.existing(self.instance)),
            *map(str, cgroups.existing(self.instance)),
            *map(str, (*network_results(self.instance), *mounts.shim_sockets(self.instance))),
            *(str(folder) for folder in (self.instance.state, self.instance.data) if folder.exists()),
        ]


def _require_root() -> None:
    if os.geteuid() != 0:
        raise TestbedError("the embedded cluster needs root: namespaces, mounts and containers are made")


def ensure_client_tools() -> None:
    """The programs that a client needs, for a cluster that is not ours."""
    missing = [name for name in ("curl", "lftp") if shutil.which(name) is None]
    if missing:
        packages.ensure()


__all__ = ["ISSUER", "SERVER", "Embedded", "ensure_client_tools"]
