"""How long a new server takes to be Ready, and how long until PASV announces an address that its Service was given.

    make bench

prints a table and writes build/bench/time_to_ready.jsonl, a line a run. The images are on the node before the first
run. Seconds include kubectl's own time (0.1 s a call): read them as upper bounds.
"""

import ftplib
import json
import ssl
import statistics
import sys
import time
from pathlib import Path

from support.polling import eventually
from support.servers import PASSWORD, Namespace, ftps_server, password_secret, temporary_namespace
from testbed import Cluster, connect
from testbed.install import install_operator
from testbed.paths import CHECKOUT

RUNS = 5
RESULTS = CHECKOUT / "build" / "bench" / "time_to_ready.jsonl"


def seconds_to_ready(cluster: Cluster, namespace: Namespace, name: str) -> float:
    """From `kubectl apply` to Ready: a certificate from cert-manager, a claim, a load balancer's address."""
    started = time.monotonic()
    namespace.apply(
        ftps_server(
            name,
            users=("alice",),
            tls={"certManager": {"issuerRef": cluster.issuer}},
            storage={"persistentVolumeClaim": {"size": "1Gi", "deletionPolicy": "Delete"}},
        )
    )
    namespace.wait_ready(name)
    return time.monotonic() - started


def seconds_to_announce(namespace: Namespace, name: str) -> float:
    """From the moment that the Service has a load balancer's address to a PASV that announces it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with ftplib.FTP_TLS(context=context, timeout=20) as session:
        session.trust_server_pasv_ipv4_address = True
        session.connect(namespace.wait_ready(name)["status"]["address"], 21)
        session.login("alice", PASSWORD)
        session.prot_p()
        namespace.patch("ftpsserver", name, {"spec": {"service": {"type": "LoadBalancer"}}})

        def assigned() -> str | None:
            service = namespace.get("service", name) or {}
            ingress = service["status"]["loadBalancer"].get("ingress")
            return ingress[0]["ip"] if ingress else None

        external = eventually(assigned, seconds=20)
        started = time.monotonic()
        eventually(lambda: session.makepasv()[0] == external, seconds=20)
        return time.monotonic() - started


def main() -> int:
    """Run the benchmark."""
    cluster = connect()
    install_operator(cluster)
    rows: dict[str, list[float]] = {"apply to Ready": [], "address to PASV": []}
    with temporary_namespace(cluster, "bench") as namespace:
        namespace.apply(password_secret("alice"))
        for number in range(RUNS):
            name = f"run-{number}"
            rows["apply to Ready"].append(seconds_to_ready(cluster, namespace, name))
            rows["address to PASV"].append(seconds_to_announce(namespace, name))
            namespace.delete("ftpsserver", name)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("".join(json.dumps({"row": row, "seconds": each}) + "\n" for row, each in rows.items()))
    print(f"{'seconds':<18}{'min':>8}{'median':>8}{'max':>8}   {RUNS} runs")
    for row, each in rows.items():
        print(f"{row:<18}{min(each):>8.2f}{statistics.median(each):>8.2f}{max(each):>8.2f}")
    print(f"raw: {Path(RESULTS).relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
