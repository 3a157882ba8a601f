"""What Prometheus is told."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """The server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
        self.passive_ports = Gauge("ftps_server_passive_ports", "Passive ports owned", registry=self.registry)
        self.passive_ports_in_use = Gauge(
            "ftps_server_passive_ports_in_use", "Passive ports waiting for a client", registry=self.registry
        )
        self.reloads = Counter(
            "ftps_server_reloads", "Configuration files read again", ["file", "outcome"], registry=self.registry
        )
        self.certificate_not_after = Gauge(
            "ftps_server_certificate_not_after_seconds", "When the certificate expires", registry=self.registry
        )
