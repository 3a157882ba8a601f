import asyncio

import pytest
from prometheus_client import generate_latest

from ftps_operator.metrics import Metrics
from ftps_operator.workqueue import Key, WorkQueue
from support.prometheus import Scrape

A, B = Key("team", "a"), Key("team", "b")


def scrape(metrics: Metrics) -> Scrape:
    return Scrape(generate_latest(metrics.registry).decode())


def test_a_queue_tells_what_waits_and_what_is_worked_on():
    now = 0.0
    metrics = Metrics()
    queue: WorkQueue[Key] = WorkQueue(metrics=metrics, monotonic=lambda: now)
    queue.add(A)
    queue.add(A)
    queue.add(B)
    found = scrape(metrics)
    assert found.sum("workqueue_depth", name="ftpsserver") == 2
    assert found.sum("workqueue_adds_total") == 2
    now = 3.0
    asyncio.run(queue.get())
    now = 5.0
    found = scrape(metrics)
    assert found.sum("workqueue_depth") == 1
    assert found.sum("workqueue_queue_duration_seconds_sum") == 3.0
    assert found.sum("workqueue_longest_running_processor_seconds") == 2.0
    queue.done(A)
    found = scrape(metrics)
    assert found.sum("workqueue_work_duration_seconds_sum") == 2.0
    assert found.sum("workqueue_longest_running_processor_seconds") == 0.0


def test_a_failure_counts_as_a_retry():
    metrics = Metrics()

    async def run() -> None:
        queue: WorkQueue[Key] = WorkQueue(metrics=metrics)
        queue.retry(A)
        queue.close()

    asyncio.run(run())
    assert scrape(metrics).sum("workqueue_retries_total") == 1


def test_resources_are_counted_when_somebody_looks():
    metrics = Metrics()
    counts = {"FtpsServer": 1}
    metrics.watch_resources(lambda: counts)
    counts["FtpsServer"] = 7
    assert scrape(metrics).sum("ftps_operator_managed_resources", resource="FtpsServer") == 7


def test_nothing_is_said_of_a_server_that_is_gone():
    metrics = Metrics()
    metrics.certificate_expiry.labels(*A).set(1.0)
    metrics.certificate_expiry.labels(*B).set(2.0)
    metrics.stalled.labels(*A).set(0)
    metrics.forget(*A)
    metrics.forget("never", "seen")
    found = scrape(metrics)
    assert not found.has("ftps_operator_certificate_expiry_timestamp_seconds", namespace="team", name="a")
    assert not found.has("ftps_operator_stalled")
    assert found.sum("ftps_operator_certificate_expiry_timestamp_seconds", name="b") == 2.0


@pytest.mark.parametrize(
    "name",
    [
        "ftps_operator_reconcile_operations_total",
        "ftps_operator_reconcile_errors_total",
        "ftps_operator_reconcile_duration_seconds_count",
        "ftps_operator_status_update_operations_total",
        "ftps_operator_status_update_errors_total",
        "ftps_operator_ready",
        "ftps_operator_leader",
        "process_resident_memory_bytes",
    ],
)
def test_what_dashboards_rely_on_is_there_from_the_start(name: str):
    assert scrape(Metrics()).has(name)
