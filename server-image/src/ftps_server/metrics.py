"""What Prometheus is told."""

from collections.abc import Callable, Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Metrics:
    """The server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of = cache(self._labelled)  # to look labels up takes long
        self.sessions = Gauge("ftps_server_sessions", "Control connections", registry=self.registry)
        self.draining = Gauge("ftps_server_draining", "1 once the server is about to end", registry=self.registry)
        self.refused = Counter(
            "ftps_server_refused_connections", "Control connections refused", ["reason"], registry=self.registry
        )
        self.logins = Counter("ftps_server_logins", "Logins", ["outcome"], registry=self.registry)
        self.transfers = Counter(
            "ftps_server_transfers", "Files transferred", ["direction", "outcome"], registry=self.registry
        )
        self.bytes = Counter("ftps_server_bytes", "Bytes of files", ["direction"], registry=self.registry)
        self.transfer_seconds = Histogram(
            "ftps_server_transfer_seconds",
            "How long transfers take",
            ["direction"],
            buckets=(0.01, 0.1, 1, 10, 60, 600, 3600),
            registry=self.registry,
        )
        self.handshakes = Counter(
            "ftps_server_tls_handshakes", "TLS handshakes of control connections", ["version"], registry=self.registry
        )
        data_connections = Counter(
            "ftps_server_data_connections",
            "Data connections, by whether they resumed the control connection's TLS session",
            ["tls"],
            registry=self.registry,
        )
        self._data_connection = cache(data_connections.labels)
        self.ktls_connections = Counter(
            "ftps_server_ktls_connections", "Data connections that the kernel encrypts (kTLS)", registry=self.registry
        )
        self.passive_exhausted = Counter(
            "ftps_server_passive_ports_exhausted",
            "Requests for a passive port when none was free",
            registry=self.registry,
        )
        self.loop_lag = Histogram(
            "ftps_server_event_loop_lag_seconds",
            "How late the event loop is",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=self.registry,
        )
        self.quota_exceeded = Counter(
            "ftps_server_quota_exceeded", "Uploads that were refused or ended by a quota", registry=self.registry
        )
        self.passive_ports = Gauge("ftps_server_passive_ports", "Passive ports owned", registry=self.registry)
        self.passive_ports_in_use = Gauge(
            "ftps_server_passive_ports_in_use", "Passive ports waiting for a client", registry=self.registry
        )
        self.reloads = Counter(
            "ftps_server_reloads", "Configuration files read again", ["file", "outcome"], registry=self.registry
        )
        self.hook_events = Counter(
            "ftps_server_hook_events", "Events of the upload hook", ["outcome"], registry=self.registry
        )
        self.hook_queue = Gauge("ftps_server_hook_queue", "Events that wait for delivery", registry=self.registry)
        self.certificate_not_after = Gauge(
            "ftps_server_certificate_not_after_seconds", "When the certificate expires", registry=self.registry
        )

    def watch_quotas(self, used: Callable[[], Iterable[tuple[str, int, int]]]) -> None:
        """Ask for the homes that have a quota, with the bytes and files that they hold, whenever metrics are read."""
        self.registry.register(_QuotaCollector(used))

    def transferred(self, direction: str, outcome: str, *, size: int, seconds: float) -> None:
        """A transfer has ended; `direction` is upload or download, `outcome` ok or aborted."""
        transfers, moved, duration = self._of(direction, outcome)
        transfers.inc()
        moved.inc(size)
        duration.observe(seconds)

    def data_connection(self, tls: str) -> None:
        """There was one; `tls` is resumed, full or refused."""
        self._data_connection(tls).inc()

    def _labelled(self, direction: str, outcome: str) -> tuple[Counter, Counter, Histogram]:
        return (
            self.transfers.labels(direction, outcome),
            self.bytes.labels(direction),
            self.transfer_seconds.labels(direction),
        )


class _QuotaCollector(Collector):
    def __init__(self, used: Callable[[], Iterable[tuple[str, int, int]]]) -> None:
        self._used = used

    def collect(self) -> Iterable[Metric]:
        held = GaugeMetricFamily("ftps_server_quota_used_bytes", "Bytes in a home directory", labels=["home"])
        files = GaugeMetricFamily("ftps_server_quota_used_files", "Files in a home directory", labels=["home"])
        for home, size, number in self._used():
            held.add_metric([home], size)
            files.add_metric([home], number)
        return held, files
