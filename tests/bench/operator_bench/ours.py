"""The operator as a process of its own, with the rights of its ServiceAccount."""

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from bench.operator_bench.cluster import Api, Object, seconds_until
from support.prometheus import Scrape
from support.servers import ftps_server
from testbed import Cluster
from testbed.install import NAMESPACE, RELEASE
from testbed.progress import say

PORT = 18080
QUIET_SECONDS = 15.0
KINDS = {
    "configmaps": "/api/v1",
    "services": "/api/v1",
    "serviceaccounts": "/api/v1",
    "secrets": "/api/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "deployments": "/apis/apps/v1",
}
WRITES = ("PATCH", "POST", "DELETE")
"""PUT is the lease's."""


def server(name: str) -> Object:
    """A server that signs its certificate itself, and whose pods no node takes: nodes are not what is measured."""
    return ftps_server(
        name,
        nodeSelector={"bench.ftps-operator.io/node": "none"},
        # kube-proxy has a rule for each port of each Service.
        passive={"portsPerReplica": 4, "maxReplicas": 1, "sharedPorts": True},
    )


def path(namespace: str) -> str:
    return f"/apis/ftps-operator.io/v1alpha1/namespaces/{namespace}/ftpsservers"


class Operator:
    """A running operator."""

    def __init__(self, cluster: Cluster, log: Path) -> None:
        self._cluster = cluster
        self._log = log.open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        kubeconfig = self._cluster.service_account_kubeconfig(NAMESPACE, RELEASE)
        words = ["run", "--kubeconfig", str(kubeconfig), "--server-image", "localhost/none"]
        words += ["--operator-namespace", NAMESPACE, "--lease-name", RELEASE, "--health-port", str(PORT)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ftps_operator", *words], stdout=self._log, stderr=subprocess.STDOUT
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def metrics(self) -> Scrape:
        """What it says of itself; nothing while it starts."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=30) as answer:
                return Scrape(answer.read().decode())
        except OSError:
            return Scrape("")

    def memory(self) -> tuple[float, float]:
        """MiB that it holds, and held at most."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        now, most = (int(fields[field].split()[0]) / 1024 for field in ("VmRSS", "VmHWM"))
        return now, most

    def progress(self) -> str:
        """How far it is."""
        found = self.metrics()
        done = found.sum("ftps_operator_reconcile_duration_seconds_count")
        waiting, busy = found.sum("workqueue_depth"), found.sum("process_cpu_seconds_total")
        return f"{done:.0f} reconciles, {waiting:.0f} wait; {requests(found):.0f} requests, {busy:.0f} s of CPU"

    def is_synced(self, count: int, *, reconciles: float = 0) -> bool:
        """Whether all servers are known, that many reconciles are over, and nothing waits."""
        found = self.metrics()
        return (
            found.sum("ftps_operator_managed_resources", resource="FtpsServer") == count
            and found.sum("ftps_operator_reconcile_duration_seconds_count") >= reconciles + count
            and found.sum("workqueue_depth") == 0
            and found.sum("workqueue_longest_running_processor_seconds") == 0
        )


def writes(scrape: Scrape) -> float:
    return sum(scrape.sum("rest_client_requests_total", method=method) for method in WRITES)


def applies(scrape: Scrape) -> float:
    """Server-side applies that the API server has carried out: nobody else makes any."""
    return scrape.sum("apiserver_request_total", verb="APPLY")


def requests(scrape: Scrape) -> float:
    return scrape.sum("rest_client_requests_total")


def settle(operator: Operator, *, limit: float) -> None:
    """Wait until nothing is written any more: the cluster goes on with its pods for a while."""
    last, since = -1.0, time.monotonic()

    def is_quiet() -> bool:
        nonlocal last, since
        now = writes(operator.metrics())
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since >= QUIET_SECONDS

    seconds_until(is_quiet, since=time.monotonic(), limit=limit)


def has_given_up(api: Api, namespace: str) -> bool:
    """Whether all Deployments are past their progressDeadlineSeconds."""
    found = api.items(f"/apis/apps/v1/namespaces/{namespace}/deployments")
    conditions = [each["status"].get("conditions") or [] for each in found]
    return all(any(one.get("reason") == "ProgressDeadlineExceeded" for one in each) for each in conditions)


def is_made(api: Api, namespace: str, count: int) -> bool:
    """Whether all servers have a status of their generation, and all of their objects."""
    servers = api.items(path(namespace))
    if any(each["status"].get("observedGeneration") != each["metadata"]["generation"] for each in servers):
        return False
    # Two Secrets each; a namespace has a ConfigMap and a ServiceAccount of its own.
    wanted = {"secrets": 2 * count, "configmaps": count + 1, "serviceaccounts": count + 1}
    return all(
        api.count(f"{root}/namespaces/{namespace}/{plural}") >= wanted.get(plural, count)
        for plural, root in KINDS.items()
    )


def create(operator: Operator, api: Api, namespace: str, count: int, *, limit: float) -> float:
    """Seconds from the first server's creation until all are what they should be."""
    started = time.monotonic()
    api.create_all(path(namespace), (server(f"server-{number}") for number in range(count)))
    synced = seconds_until(lambda: operator.is_synced(count), since=started, limit=limit, progress=operator.progress)
    say(f"nothing waits any more after {synced:.1f} s")
    return seconds_until(lambda: is_made(api, namespace, count), since=started, limit=limit)
