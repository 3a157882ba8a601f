"""A node: containerd, the kubelet, kube-proxy, each with state of its own."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import cgroups
from testbed.controlplane import SERVER, proxy_config
from testbed.network import NAMESERVER, inside, node_address, pod_range
from testbed.paths import Instance
from testbed.shell import run
from testbed.supervise import Supervisor, wait_for

if TYPE_CHECKING:
    from testbed.pki import Authority

PAUSE_IMAGE = "localhost/testbed-pause:1"
_CONTAINERD = """\
version = 2
root = "{data}/containerd"
state = "{state}/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE no process may be made less likely to be killed than its parent.
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{state}/cni"
"""


class Node:
    """One node of an instance."""

    def __init__(self, instance: Instance, number: int) -> None:
        self.instance = instance
        self.number = number
        self.role = f"node{number}"
        self.state = instance.state / self.role
        self.data = instance.data / self.role
        self.socket = self.state / "containerd.sock"

    def write_files(self, authority: "Authority") -> None:
        """Write everything that the node's programs read."""
        for folder in (self.state / "cni", self.data / "kubelet", self.data / "pod-logs"):
            folder.mkdir(parents=True, exist_ok=True)
        self._write(
            "containerd.toml",
            _CONTAINERD.format(data=self.data, state=self.state, socket=self.socket, pause=PAUSE_IMAGE),
        )
        self._write("cni/10-bridge.conflist", json.dumps(self._cni()))
        authority.issue(f"kubelet-{self.role}", f"system:node:{self.role}", group="system:nodes")
        authority.kubeconfig(self.state / "kubelet.kubeconfig", SERVER, user=authority.client(f"kubelet-{self.role}"))
        self._write("kubelet.json", json.dumps(self._kubelet()))
        self._write("kube-proxy.json", proxy_config(self.instance))
        self._write("resolv.conf", f"nameserver {NAMESERVER}\n")

    def start_runtime(self, supervisor: Supervisor) -> None:
        """Start containerd, which needs no API server."""
        argv = ["containerd", "--config", str(self.state / "containerd.toml"), "--log-level", "warn"]
        supervisor.start(f"containerd-{self.role}", inside(self.instance, self.role, argv))
        wait_for("containerd", self._runtime_answers, seconds=30, processes=supervisor)

    def start(self, supervisor: Supervisor, binaries: Path) -> None:
        """Start the kubelet and kube-proxy."""
        cgroups.create(self.instance, self.number)
        kubelet = [
            str(binaries / "kubelet"),
            f"--config={self.state / 'kubelet.json'}",
            f"--kubeconfig={self.state / 'kubelet.kubeconfig'}",
            f"--root-dir={self.data / 'kubelet'}",
            f"--cert-dir={self.data / 'kubelet-pki'}",
            f"--hostname-override={self.role}",
            f"--node-ip={node_address(self.number)}",
        ]
        supervisor.start(f"kubelet-{self.role}", inside(self.instance, self.role, kubelet))
        proxy = [
            str(binaries / "kube-proxy"),
            f"--config={self.state / 'kube-proxy.json'}",
            f"--hostname-override={self.role}",
        ]
        supervisor.start(f"kube-proxy-{self.role}", inside(self.instance, self.role, proxy))

    def import_image(self, archive: Path) -> None:
        """Load an image archive, for pods."""
        run([*self._ctr(), "images", "import", str(archive)])

    def tag_image(self, reference: str, other: str) -> None:
        """Give an image another name."""
        run([*self._ctr(), "images", "tag", "--force", reference, other])

    def images(self) -> set[str]:
        """The references of the images that the node has."""
        return set(run([*self._ctr(), "images", "list", "--quiet"]).stdout.split())

    def _runtime_answers(self) -> bool:
        return self.socket.exists() and run([*self._ctr(), "version"], check=False).returncode == 0

    def _ctr(self) -> list[str]:
        return ["ctr", "--address", str(self.socket), "--namespace", "k8s.io"]

    def _write(self, name: str, text: str) -> None:
        (self.state / name).write_text(text)

    def _cni(self) -> dict[str, object]:
        return {
            "cniVersion": "0.4.0",
            "name": "testbed",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": True,
                    # Nothing is outside the cluster that a pod's address would have to be hidden from.
                    "ipMasq": False,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": pod_range(self.number)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                        "dataDir": str(self.state / "ipam"),
                    },
                }
            ],
        }

    def _kubelet(self) -> dict[str, object]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": node_address(self.number),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.instance.state / "pki" / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroups.name(self.instance, self.number)}",
            "clusterDNS": [NAMESERVER],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "enforceNodeAllocatable": ["pods"],
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "failCgroupV1": False,
            "failSwapOn": False,
            "healthzBindAddress": "127.0.0.1",
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "nodeStatusUpdateFrequency": "4s",
            "oomScoreAdj": 0,
            "podLogsDir": str(self.data / "pod-logs"),
            "registerNode": True,
            "resolvConf": str(self.state / "resolv.conf"),
            "serializeImagePulls": False,
        }


def network_results(instance: Instance) -> list[Path]:
    """What CNI remembers of our pods (their interface and their loopback), in one place for the whole machine."""
    # With the slash: the name of another instance may begin with ours.
    folder = f"{instance.state}/"
    results = Path("/var/lib/cni/results")
    return sorted(file for file in results.glob("*") if folder in _text(file))


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        return ""  # a pod of another instance has ended meanwhile


def remove_data(instance: Instance) -> None:
    """Remove every file of the instance."""
    for folder in (instance.state, instance.data):
        shutil.rmtree(folder, ignore_errors=True)
