"""What Prometheus is told, in the shape of prometheus-operator's and client-go's metrics."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

QUEUE = "ftpsserver"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciles = self._counter("ftps_operator_reconcile_operations", "Reconciles")
        self.reconcile_errors = self._counter("ftps_operator_reconcile_errors", "Reconciles that failed")
        self.reconcile_seconds = self._histogram("ftps_operator_reconcile_duration_seconds", "How long reconciles take")
        self.status_writes = self._counter("ftps_operator_status_update_operations", "Statuses written")
        self.status_errors = self._counter("ftps_operator_status_update_errors", "Statuses that could not be written")
        self.applies = self._counter("ftps_operator_apply_operations", "Objects written", "kind")
        self.drift = self._counter(
            "ftps_operator_drift_corrected", "Objects written though their server had not changed", "kind"
        )
        self.stalled = Gauge(
            "ftps_operator_stalled",
            "1 for a server that the operator cannot bring to what its resource says",
            ["namespace", "name"],
            registry=self.registry,
        )
        self.certificate_expiry = Gauge(
            "ftps_operator_certificate_expiry_timestamp_seconds",
            "When the certificate that is served ends",
            ["namespace", "name"],
            registry=self.registry,
        )
        self.requests = self._counter(
            "rest_client_requests", "Requests to the API server, but for the watches", "method", "code"
        )
        self.ready = Gauge("ftps_operator_ready", "1 once every server is known", registry=self.registry)
        self.leader = Gauge("ftps_operator_leader", "1 while this process leads", registry=self.registry)
        self.loop_lag = self._histogram("ftps_operator_event_loop_lag_seconds", "How late the event loop is")
        self.adds = self._counter("workqueue_adds", "Keys added", "name").labels(QUEUE)
        self.retries = self._counter("workqueue_retries", "Keys that failed and were added again", "name").labels(QUEUE)
        self.queue_seconds = self._histogram("workqueue_queue_duration_seconds", "How long keys wait", "name").labels(
            QUEUE
        )
        self.work_seconds = self._histogram(
            "workqueue_work_duration_seconds", "How long keys are worked on", "name"
        ).labels(QUEUE)

    def watch_queue(self, *, depth: Callable[[], int], longest: Callable[[], float]) -> None:
        """Ask a queue about itself whenever somebody looks."""
        self.registry.register(
            _Asked(
                lambda: [
                    _family("workqueue_depth", "Keys that wait", {QUEUE: depth()}, label="name"),
                    _family(
                        "workqueue_longest_running_processor_seconds",
                        "For how long the key that takes the longest is being worked on",
                        {QUEUE: longest()},
                        label="name",
                    ),
                ]
            )
        )

    def watch_resources(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Ask for the number of objects by kind whenever somebody looks."""
        self.registry.register(
            _Asked(
                lambda: [_family("ftps_operator_managed_resources", "Objects looked after", counts(), label="resource")]
            )
        )

    def forget(self, namespace: str, name: str) -> None:
        """Say nothing of a server any more."""
        for gauge in (self.stalled, self.certificate_expiry):
            gauge.remove_by_labels({"namespace": namespace, "name": name})

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=_SECONDS, registry=self.registry)


class _Asked(Collector):
    """Metrics that are known by asking."""

    def __init__(self, ask: Callable[[], Iterable[Metric]]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        return self._ask()


def _family(name: str, text: str, values: Mapping[str, float], *, label: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family
