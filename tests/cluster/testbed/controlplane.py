"""The programs of the control plane, and their arguments."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.network import POD_RANGE, SERVICE_RANGE, inside, node_address
from testbed.paths import Instance
from testbed.supervise import Supervisor

if TYPE_CHECKING:
    from testbed.pki import Authority

SERVER = f"https://{node_address(0)}:6443"
API_SERVICE = "10.96.0.1"  # the first address of the Service range


def write_credentials(instance: Instance) -> "Authority":
    """Write the certificates and kubeconfigs of the control plane and of the administrator."""
    # Here, as `down` must do without a package that is installed for `up` only.
    from testbed.pki import Authority

    authority = Authority.create(instance.state / "pki")
    authority.issue(
        "apiserver",
        "kube-apiserver",
        names=(
            node_address(0),
            API_SERVICE,
            "127.0.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ),
    )
    authority.issue("admin", "testbed-admin", group="system:masters")
    authority.kubeconfig(instance.kubeconfig, SERVER, user=authority.client("admin"))
    for component in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        authority.issue(component, f"system:{component}")
        authority.kubeconfig(instance.state / f"{component}.kubeconfig", SERVER, user=authority.client(component))
    return authority


def start_store(instance: Instance, supervisor: Supervisor, binaries: Path) -> None:
    """Start etcd and the API server."""
    etcd = [
        str(binaries / "etcd"),
        f"--data-dir={instance.data / 'etcd'}",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # a cluster of tests need not survive a power failure
        "--log-level=warn",
    ]
    supervisor.start("etcd", inside(instance, "node0", etcd))
    supervisor.start("kube-apiserver", inside(instance, "node0", _apiserver(instance, binaries)))


def _apiserver(instance: Instance, binaries: Path) -> list[str]:
    pki = instance.state / "pki"
    return [
        str(binaries / "kube-apiserver"),
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={node_address(0)}",
        f"--bind-address={node_address(0)}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--cert-dir={instance.state / 'apiserver'}",
        f"--kubelet-client-certificate={pki / 'admin.crt'}",
        f"--kubelet-client-key={pki / 'admin.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
    ]


def start_controllers(instance: Instance, supervisor: Supervisor, binaries: Path) -> None:
    """Start the controller manager, the scheduler and cert-manager's controllers."""
    pki = instance.state / "pki"
    manager = [
        str(binaries / "kube-controller-manager"),
        f"--kubeconfig={instance.state / 'kube-controller-manager.kubeconfig'}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-cidr={POD_RANGE}",
        "--allocate-node-cidrs=false",
        f"--cert-dir={instance.state / 'controller-manager'}",
        # A node that ends abruptly is noticed within a test's patience.
        "--node-monitor-grace-period=20s",
    ]
    supervisor.start("kube-controller-manager", inside(instance, "node0", manager))
    scheduler = [
        str(binaries / "kube-scheduler"),
        f"--kubeconfig={instance.state / 'kube-scheduler.kubeconfig'}",
        "--leader-elect=false",
        f"--cert-dir={instance.state / 'scheduler'}",
    ]
    supervisor.start("kube-scheduler", inside(instance, "node0", scheduler))


def start_cert_manager(instance: Instance, supervisor: Supervisor, binaries: Path) -> None:
    """Start cert-manager's controllers; its CRDs must be there."""
    argv = [str(binaries / "certmanager"), f"--kubeconfig={instance.kubeconfig}", "-v=2"]
    supervisor.start("cert-manager", inside(instance, "node0", argv))


def proxy_config(instance: Instance) -> str:
    """kube-proxy's configuration. Its connection tracking limits are the machine's, not a namespace's: left alone."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": POD_RANGE,
            "clientConnection": {"kubeconfig": str(instance.state / "kube-proxy.kubeconfig")},
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "nftables": {"minSyncPeriod": "100ms"},
            "oomScoreAdj": 0,
        }
    )
