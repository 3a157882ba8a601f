"""The operator itself: as a process with its ServiceAccount's rights, stopped and started again."""

import signal
import subprocess
import sys
from pathlib import Path

from support.polling import eventually
from support.servers import Namespace, ftps_server
from testbed import Cluster
from testbed.install import NAMESPACE, RELEASE


def start(cluster: Cluster, log: Path) -> "subprocess.Popen[bytes]":
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, RELEASE)
    words = ["run", "--kubeconfig", str(kubeconfig), "--server-image", cluster.image("ftps-server")]
    words += ["--operator-namespace", NAMESPACE, "--lease-name", RELEASE, "--health-port", "18080"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "ftps_operator", *words], stdout=output, stderr=subprocess.STDOUT
        )


def test_it_runs_as_a_process_under_its_service_account(
    without_deployment: Cluster, namespace: Namespace, tmp_path: Path
):
    log = tmp_path / "operator.log"
    process = start(without_deployment, log)
    try:
        namespace.apply(ftps_server("local"))
        namespace.wait_ready("local")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
    assert code == 0, log.read_text()
    assert '"level": "error"' not in log.read_text()
    assert "forbidden" not in log.read_text()
    # It gave its lease up: the next one need not wait.
    words = ("lease", RELEASE, "-n", NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}")
    assert without_deployment.kubectl("get", *words) == ""


def test_what_happened_while_it_was_away_is_made_up_for(
    without_deployment: Cluster, namespace: Namespace, tmp_path: Path
):
    namespace.apply(ftps_server("away"))
    namespace.kubectl("delete", "service", "local", "--ignore-not-found")
    process = start(without_deployment, tmp_path / "operator.log")
    try:
        namespace.wait_ready("away")
        eventually(lambda: namespace.get("service", "local"), seconds=10)
    finally:
        process.kill()
        process.wait(20)


def test_its_pod_is_restricted_and_has_no_more_rights_than_it_needs(operator: Cluster):
    enforced = operator.kubectl("get", "namespace", NAMESPACE, "-o", "jsonpath={.metadata.labels}")
    assert '"pod-security.kubernetes.io/enforce":"restricted"' in enforced
    account = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}"
    denied = (
        ("list", "secrets"),
        ("watch", "secrets"),
        ("create", "pods"),
        ("update", "ftpsservers"),
        ("patch", "ftpsusers"),
        ("get", "ftpsusers"),
        ("get", "namespaces"),
    )
    for verb, resource in denied:
        assert operator.kubectl("auth", "can-i", verb, resource, account, check=False).strip() == "no"
    assert operator.kubectl("auth", "can-i", "get", "secrets", account).strip() == "yes"


def test_events_tell_of_transitions(operator: Cluster, namespace: Namespace):
    namespace.apply(ftps_server("eventful"))
    namespace.wait_ready("eventful")

    def reasons() -> set[str]:
        events = namespace.objects("events.events.k8s.io")
        return {event["reason"] for event in events if event["regarding"]["name"] == "eventful"}

    eventually(lambda: {"Ready", "Available"} <= reasons(), seconds=10)
