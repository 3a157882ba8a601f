"""An HTTP server that is told of uploads, and fails now and then."""

import hmac
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ftps_server.hooks import SIGNATURE_HEADER, sign

KEY = b"the soak's own"
_FAILURES = 0.02
_SLOW_SECONDS = 0.3


class HookReceiver:
    """It has its own thread."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - the same each time
        self.fails = True
        self.received: set[str] = set()
        """The ids of the events."""
        self.repeated = self.failed = 0
        self.wrong: list[str] = []
        """What was not as it should be."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/uploads"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def take(self, body: bytes, signature: str) -> None:
        """An event has come."""
        seconds = int(signature.partition(",")[0].removeprefix("t="))
        event = json.loads(body)
        if not hmac.compare_digest(sign(KEY, body, seconds), signature) or abs(time.time() - seconds) > 60:
            self.wrong.append(f"signature of {event}")
        self.repeated += event["id"] in self.received
        self.received.add(event["id"])


def _handler(receiver: HookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        wbufsize = -1  # an answer in one segment

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            how = None
            if receiver.fails and receiver.rng.random() < _FAILURES:
                receiver.failed += 1
                how = receiver.rng.choice(("refuse", "close", "slow"))
            if how == "close":
                self.close_connection = True
                return
            if how == "slow":
                time.sleep(_SLOW_SECONDS)
            if how != "refuse":
                receiver.take(body, self.headers[SIGNATURE_HEADER])
            self.send_response(503 if how == "refuse" else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    return Handler
