"""Probes and metrics over HTTP, in a thread of their own: they answer also when the event loop does not."""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, has_dualstack_ipv6
from socketserver import TCPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ftps_server.metrics import Metrics

BEAT_SECONDS = 1.0
MAX_LAG_SECONDS = 10.0
CLOSE_SECONDS = 0.1
"""How long `close` takes at most."""


class Heartbeat:
    """Tells whether the event loop turns."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last = monotonic()

    def beat(self) -> float:
        """Called by the loop; how many seconds late."""
        now = self._monotonic()
        late, self._last = now - self._last - BEAT_SECONDS, now
        return max(0.0, late)

    @property
    def alive(self) -> bool:
        """Whether the loop has called lately."""
        return self._monotonic() - self._last < MAX_LAG_SECONDS


class AdminServer:
    """Answers /livez, /readyz and /metrics."""

    def __init__(self, port: int, address: str | None = None, *, heartbeat: Heartbeat, metrics: Metrics) -> None:
        """Listen, on all addresses or on one. Raises OSError."""
        self.ready = False
        handler = _handler(self, heartbeat, metrics)
        self._http = _server_class(address)((address or "", port), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(CLOSE_SECONDS,), name="admin", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    def close(self) -> None:
        """Answer no more."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _server_class(address: str | None) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if (has_dualstack_ipv6() if address is None else ":" in address) else AF_INET

        def server_bind(self) -> None:
            if self.address_family == AF_INET6:
                self.socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
            # Past HTTPServer, which asks the DNS for a name of its own: where that does not answer, for long.
            TCPServer.server_bind(self)

    return Server


def _handler(admin: AdminServer, heartbeat: Heartbeat, metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/livez":
                    self._answer(heartbeat.alive)
                case "/readyz":
                    self._answer(admin.ready and heartbeat.alive)
                case "/metrics":
                    self._send(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
                case _:
                    self._send(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

        def _answer(self, good: bool) -> None:
            status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, "text/plain", b"ok\n" if good else b"not ok\n")

        def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Probes come every few seconds; nobody reads of them."""

    return Handler
