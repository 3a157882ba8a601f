"""Upload hooks: an HTTP server is told of each completed upload.

An event is a file until that server has taken it, or said that it never will. So a restart loses none, and what was
under way then comes a second time, with the same `id`. One event at a time, the oldest first: what the server fails at
holds up those behind it. One directory a process: two would deliver each other's events.

The body is signed as Stripe signs its webhooks. The header `Ftps-Server-Signature: t=<seconds>,v1=<hex>` holds the
HMAC-SHA256 of `<seconds>.<body>`; a receiver compares it, and refuses what is older than a few minutes.
"""

import base64
import hmac
import json
import secrets
import ssl
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import unquote

from ftps_server.config import ConfigError, HooksConfig
from ftps_server.logs import warn
from ftps_server.metrics import Metrics

SIGNATURE_HEADER = "Ftps-Server-Signature"
FIRST_DELAY_SECONDS = 1.0
"""Before the second attempt; it doubles with each further one."""
MAX_DELAY_SECONDS = 300.0
CLOSE_SECONDS = 5.0
"""How long `close` takes at most."""
_MAX_ANSWER_BYTES = 64 * 1024

_jitter = secrets.SystemRandom()


class UploadHooks:
    """Stores events, and delivers them in a thread of its own."""

    def __init__(
        self, config: HooksConfig, key: bytes, *, metrics: Metrics, first_delay: float = FIRST_DELAY_SECONDS
    ) -> None:
        """Begin with what an earlier process has left in the directory. Raises ConfigError."""
        if not key:
            raise ConfigError("hooks: the key is empty")
        self._key = key
        self._max_queued = config.max_queued
        self._first_delay = first_delay
        self._metrics = metrics
        self._endpoint = _Endpoint(config)
        self._directory = Path(config.queue_directory)
        self._waiting = deque(_left_over(self._directory))
        """The names of the files, the oldest first; that one is being delivered."""
        self._last = int(Path(self._waiting[-1]).stem) if self._waiting else 0
        self._wake, self._closed = threading.Event(), threading.Event()
        metrics.hook_queue.set_function(lambda: len(self._waiting))
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)
        self._thread.start()

    def submit(self, event: dict[str, object]) -> None:
        """Have an event delivered, some time. What cannot be stored is dropped."""
        now = time.time_ns()
        moment = datetime.fromtimestamp(now / 1e9, UTC).isoformat(timespec="milliseconds")
        event = event | {"type": "upload", "id": str(uuid.uuid4()), "time": moment}
        if len(self._waiting) >= self._max_queued:
            self._dropped(event, "the queue is full")
            return
        # Names sort by age, also when the clock was set back.
        self._last = max(now, self._last + 1)
        name = f"{self._last:020}.json"
        try:
            _store(self._directory / name, json.dumps(event).encode())
        except OSError as error:
            self._dropped(event, f"not stored: {error.strerror}")
            return
        self._waiting.append(name)
        self._wake.set()

    def close(self) -> None:
        """Stop after the current request. What is not delivered stays in the directory."""
        self._closed.set()
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._closed.is_set():
            if self._waiting:
                self._deliver(self._directory / self._waiting[0])
            else:
                self._wake.wait()
                self._wake.clear()
        self._endpoint.close()

    def _deliver(self, file: Path) -> None:
        """Try until it is delivered or dropped, or this is closed."""
        try:
            body = file.read_bytes()
            event = json.loads(body)
        except (OSError, ValueError) as error:
            # Taken away, or cut short: a queue need not outlive a crash of the machine.
            self._dropped({"file": file.name}, f"not readable: {_reason(error)}")
            self._forget(file)
            return
        delay = self._first_delay
        while not self._closed.is_set():
            refusal = self._attempt(body)
            if refusal is None:
                self._metrics.hook_events.labels("delivered").inc()
                self._forget(file)
                return
            if refusal.final:
                self._dropped(event, refusal.reason)
                self._forget(file)
                return
            self._metrics.hook_events.labels("retried").inc()
            seconds = delay * _jitter.uniform(0.5, 1)
            warn("hook failed", server=self._endpoint.name, reason=refusal.reason, retry_seconds=round(seconds, 1))
            self._closed.wait(seconds)
            delay = min(2 * delay, MAX_DELAY_SECONDS)

    def _attempt(self, body: bytes) -> "_Refusal | None":
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ftps-server",
            SIGNATURE_HEADER: sign(self._key, body, int(time.time())),
        }
        try:
            status = self._endpoint.post(body, headers)
        except Exception as error:  # noqa: BLE001 - a boundary: whatever it is, the next attempt may go well
            return _Refusal(_reason(error), final=False)
        if 200 <= status < 300:
            return None
        return _Refusal(f"status {status}", final=400 <= status < 500 and status not in {408, 429})

    def _dropped(self, event: dict[str, object], reason: str) -> None:
        self._metrics.hook_events.labels("dropped").inc()
        warn("hook event dropped", server=self._endpoint.name, reason=reason, upload=event)

    def _forget(self, file: Path) -> None:
        with suppress(OSError):
            file.unlink(missing_ok=True)
        self._waiting.popleft()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why an event was not taken, and whether it never will be."""

    reason: str
    final: bool


class _Endpoint:
    """The HTTP server. Redirects are not followed, and an answer's body is of no interest."""

    def __init__(self, config: HooksConfig) -> None:
        url = config.url
        # The rest of the URL may be a secret.
        self.name = f"{url.scheme}://{url.host}"
        host = (url.host or "").strip("[]")
        if url.scheme == "https":
            self._connection: HTTPConnection = HTTPSConnection(
                host, url.port, timeout=config.timeout_seconds, context=ssl.create_default_context()
            )
        else:
            self._connection = HTTPConnection(host, url.port, timeout=config.timeout_seconds)
        self._target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._headers = {}
        if url.username:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """The answer's status. Raises OSError, HTTPException."""
        kept = self._connection.sock is not None
        try:
            return self._post(body, headers)
        except ConnectionError:
            if not kept:
                raise
            # Closed by the server while nothing was to be told.
            return self._post(body, headers)

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            self._connection.request("POST", self._target, body, headers | self._headers)
            answer = self._connection.getresponse()
        except (OSError, HTTPException):
            self._connection.close()
            raise
        with suppress(OSError, HTTPException):
            answer.read(_MAX_ANSWER_BYTES)
        if not answer.isclosed():
            answer.close()
            self._connection.close()
        return answer.status

    def close(self) -> None:
        self._connection.close()


def sign(key: bytes, body: bytes, seconds: int) -> str:
    """The signature header's value, for an event that is sent at this time."""
    return f"t={seconds},v1={hmac.new(key, b'%d.%b' % (seconds, body), 'sha256').hexdigest()}"


def _left_over(directory: Path) -> list[str]:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in directory.glob("*.part"):
            part.unlink()
        return sorted(file.name for file in directory.glob("*.json") if file.stem.isdecimal())
    except OSError as error:
        raise ConfigError(f"hooks.queueDirectory: {error.strerror}") from None


def _store(file: Path, body: bytes) -> None:
    """All of it, or nothing. Raises OSError."""
    part = file.with_suffix(".part")
    try:
        part.write_bytes(body)
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _reason(error: Exception) -> str:
    """Without the text of an error that may quote the URL."""
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
