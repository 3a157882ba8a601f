"""The embedded cluster's API server, as an administrator: quick, and with its own metrics."""

import http.client
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from support.prometheus import Scrape
from testbed.apiclient import ApiError, Client
from testbed.errors import TestbedError
from testbed.network import node_address
from testbed.paths import Instance
from testbed.progress import say

Object = dict[str, Any]
CONNECTIONS = 4
POLL_SECONDS = 1.0
PROGRESS_SECONDS = 15.0
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Api:
    """Many writes over connections that are kept, so that it is not the client who is measured."""

    def __init__(self, instance: Instance) -> None:
        self._tls = Client(instance)._tls

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(node_address(0), 6443, timeout=120, context=self._tls)

    def text(self, path: str, accept: str = "application/json") -> str:
        # The API server ends a connection that is idle for 90 s.
        with closing(self._connect()) as connection:
            return _request(connection, "GET", path, None, {"Accept": accept})

    def create_all(self, path: str, objects: Iterable[Object]) -> None:
        self._spread([("POST", path, each, "application/json") for each in objects])

    def patch_all(self, paths: Iterable[str], patch: Object) -> None:
        self._spread([("PATCH", path, patch, "application/merge-patch+json") for path in paths])

    def items(self, path: str) -> list[Object]:
        found: list[Object] = json.loads(self.text(path))["items"]
        return found

    def count(self, path: str) -> int:
        """How many objects there are."""
        return len(json.loads(self.text(path, _METADATA_LIST))["items"])

    def metrics(self) -> Scrape:
        return Scrape(self.text("/metrics", "text/plain"))

    def _spread(self, requests: list[tuple[str, str, Object, str]]) -> None:
        def send(part: list[tuple[str, str, Object, str]]) -> None:
            with closing(self._connect()) as connection:
                for method, path, body, kind in part:
                    _request(connection, method, path, body, {"Content-Type": kind})

        with ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(send, (requests[start::CONNECTIONS] for start in range(CONNECTIONS))))


def _request(
    connection: http.client.HTTPSConnection, method: str, path: str, body: Object | None, headers: dict[str, str]
) -> str:
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    text = response.read().decode()
    if response.status >= 400:
        raise ApiError(response.status, text)
    return text


def seconds_until(
    is_done: Callable[[], bool], *, since: float, limit: float, progress: Callable[[], str] = lambda: ""
) -> float:
    """Seconds from a moment (of time.monotonic) until something is so. Raises TestbedError."""
    told = since
    while not is_done():
        now = time.monotonic()
        if now - since > limit:
            raise TestbedError(f"not done after {limit:.0f} s. {progress()}")
        if now - told > PROGRESS_SECONDS and (text := progress()):
            told = now
            say(f"{now - since:.0f} s: {text}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - since
