"""Measure the operator with many servers.

    make bench-operator BENCH='--servers 100'

prints a table and writes build/bench/operator.json, a list of {row, ours, unit, best_peer, best_peer_name, ratio}.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.operator_bench import certmanager, ours
from bench.operator_bench.cluster import Api, seconds_until
from bench.operator_bench.ours import Operator
from bench.server_bench.report import figure
from support.prometheus import Scrape
from support.servers import temporary_namespace
from testbed import Cluster, connect
from testbed.install import NAMESPACE, RELEASE, install_operator
from testbed.paths import CHECKOUT, Instance
from testbed.progress import say

RESULTS = CHECKOUT / "build" / "bench"
PEER = "cert-manager"
IDLE_SECONDS = 60.0
SETTLE_SECONDS = 10.0
GONE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Row:
    """Less is better in each; `aim` is of our own value with 1,000 servers."""

    title: str
    unit: str
    ours: float
    aim: float | None = None
    peer: float | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "row": self.title,
            "ours": _rounded(self.ours),
            "unit": self.unit,
            "best_peer": _rounded(self.peer),
            "best_peer_name": PEER if self.peer is not None else None,
            "ratio": _rounded(self.ours / self.peer) if self.peer else None,
        }


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.operator_bench", description="Measure the operator.")
    parser.add_argument("--servers", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--limit", type=float, default=600, help="seconds that a step may take (600)")
    parser.add_argument("--without-peer", action="store_true", help="leave cert-manager out")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where results go (build/bench)")
    arguments = parser.parse_args()
    cluster = connect()
    if not cluster.embedded:
        print("It measures the embedded cluster only: CLUSTER=current is somebody else's.", file=sys.stderr)
        return 1
    arguments.output.mkdir(parents=True, exist_ok=True)
    install_operator(cluster)
    cluster.kubectl("scale", "deployment", RELEASE, "-n", NAMESPACE, "--replicas=0")
    cluster.kubectl("wait", "pods", "-n", NAMESPACE, "--all", "--for=delete", "--timeout=60s")
    try:
        peer = {} if arguments.without_peer else _measure_peer(cluster, arguments)
        rows = _measure_ours(cluster, arguments, peer)
    finally:
        cluster.kubectl("scale", "deployment", RELEASE, "-n", NAMESPACE, "--replicas=1")
    (arguments.output / "operator.json").write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    print(_table(rows, arguments.servers))
    return 0


@dataclass(frozen=True, slots=True)
class Scene:
    """What our rows are measured with."""

    operator: Operator
    api: Api
    namespace: str
    servers: int
    limit: float
    peer: dict[str, float]


def _measure_ours(cluster: Cluster, arguments: argparse.Namespace, peer: dict[str, float]) -> list[Row]:
    operator = Operator(cluster, arguments.output / "operator.log")
    with temporary_namespace(cluster, "bench") as namespace:
        scene = Scene(operator, Api(Instance.current()), namespace.name, arguments.servers, arguments.limit, peer)
        operator.start()
        try:
            seconds_until(lambda: operator.is_synced(0), since=time.monotonic(), limit=60)
            rows = [row for step in (_create, _restart, _touch, _idle) for row in step(scene)]
        finally:
            operator.stop()
    _wait_until_gone(cluster, namespace.name)
    return rows


def _create(scene: Scene) -> list[Row]:
    begun = scene.operator.metrics()
    seconds = ours.create(scene.operator, scene.api, scene.namespace, scene.servers, limit=scene.limit)
    made = scene.operator.metrics()
    say(f"created {scene.servers} servers in {seconds:.1f} s")
    each = (ours.requests(made) - ours.requests(begun)) / scene.servers
    cpu = made.sum("process_cpu_seconds_total") - begun.sum("process_cpu_seconds_total")
    ours.settle(scene.operator, limit=scene.limit)
    return [
        Row("create all: until reconciled", "s", seconds, 60, scene.peer.get("created")),
        Row("create all: requests each", "1", each, None, scene.peer.get("requests")),
        *_quantiles("create all", made, begun),
        Row("create all: operator CPU each", "ms", 1000 * cpu / scene.servers),
        Row("create all: most memory", "MiB", scene.operator.memory()[1]),
    ]


def _restart(scene: Scene) -> list[Row]:
    scene.operator.stop()
    applied = ours.applies(scene.api.metrics())
    started = time.monotonic()
    scene.operator.start()
    seconds = seconds_until(lambda: scene.operator.is_synced(scene.servers), since=started, limit=scene.limit)
    found = scene.operator.metrics()
    say(f"synced {seconds:.1f} s after a restart, with {ours.writes(found):.0f} writes")
    return [
        Row("restart: until synced", "s", seconds, 20),
        Row("restart: writes", "1", ours.writes(found), 0),
        Row("restart: writes by the API server's count", "1", ours.applies(scene.api.metrics()) - applied, 0),
        Row("restart: requests each", "1", ours.requests(found) / scene.servers),
        Row("restart: operator CPU", "s", found.sum("process_cpu_seconds_total")),
    ]


def _touch(scene: Scene) -> list[Row]:
    before, started = scene.operator.metrics(), time.monotonic()
    paths = [f"{ours.path(scene.namespace)}/server-{number}" for number in range(scene.servers)]
    scene.api.patch_all(paths, {"metadata": {"annotations": {"example.com/touched": "1"}}})
    done = before.sum("ftps_operator_reconcile_duration_seconds_count")
    seconds = seconds_until(
        lambda: scene.operator.is_synced(scene.servers, reconciles=done), since=started, limit=scene.limit
    )
    after = scene.operator.metrics()
    say(f"looked at again in {seconds:.1f} s")
    return [
        Row("touch all: until reconciled", "s", seconds),
        Row("touch all: writes", "1", ours.writes(after) - ours.writes(before), 0),
        *_quantiles("touch all", after, before),
    ]


def _idle(scene: Scene) -> list[Row]:
    # Their pods wait for a node. Until the Deployments have given up, something happens still.
    seconds_until(lambda: ours.has_given_up(scene.api, scene.namespace), since=time.monotonic(), limit=scene.limit)
    ours.settle(scene.operator, limit=scene.limit)
    before, started = scene.operator.metrics(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    each = (ours.requests(scene.operator.metrics()) - ours.requests(before)) / (time.monotonic() - started)
    now, most = scene.operator.memory()
    return [
        Row("idle: requests each second", "1/s", each, 1, scene.peer.get("idle")),
        Row("idle: memory", "MiB", now, 150, scene.peer.get("memory")),
        Row("since the restart: most memory", "MiB", most),
    ]


def _quantiles(step: str, after: Scrape, before: Scrape) -> list[Row]:
    name = "ftps_operator_reconcile_duration_seconds"
    return [
        Row(f"{step}: reconcile p{percent}", "s", after.quantile(name, percent / 100, since=before))
        for percent in (50, 99)
    ]


def _measure_peer(cluster: Cluster, arguments: argparse.Namespace) -> dict[str, float]:
    instance = Instance.current()
    api, count = Api(instance), arguments.servers
    with temporary_namespace(cluster, "bench") as namespace:
        before = api.metrics()
        created = certmanager.create(api, namespace.name, count, limit=arguments.limit)
        after = api.metrics()
        say(f"{PEER}: {count} Certificates in {created:.1f} s")
        time.sleep(SETTLE_SECONDS)
        began, at = api.metrics(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        idle = (certmanager.requests(api.metrics()) - certmanager.requests(began)) / (time.monotonic() - at)
        held = certmanager.memory(instance)
    _wait_until_gone(cluster, namespace.name)
    # The Certificates' creation is the benchmark's own.
    each = (certmanager.requests(after) - certmanager.requests(before)) / count - 1
    return {"created": created, "requests": each, "idle": idle, "memory": held}


def _wait_until_gone(cluster: Cluster, namespace: str) -> None:
    """What the garbage collector does meanwhile would be measured, too."""
    started = time.monotonic()
    seconds_until(
        lambda: not cluster.kubectl("get", "namespace", namespace, "-o", "name", "--ignore-not-found").strip(),
        since=started,
        limit=GONE_SECONDS,
    )


def _table(rows: list[Row], servers: int) -> str:
    head = ["", "unit", f"ours ({servers})", PEER, "ratio", "aim"]
    lines = [
        [
            row.title,
            row.unit,
            figure(row.ours),
            "-" if row.peer is None else figure(row.peer),
            f"{row.ours / row.peer:.3g}×" if row.peer else "-",
            "" if row.aim is None else f"{row.aim:g}",
        ]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in (head, rule, *lines)
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


if __name__ == "__main__":
    sys.exit(main())
