"""The least of a Kubernetes client, on the standard library: requests and watches with the administrator's rights."""

import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

from testbed.network import node_address
from testbed.paths import Instance

Object = dict[str, Any]
TIMEOUT_SECONDS = 30.0


class ApiError(Exception):
    """The API server's answer to a request that it refused."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Client:
    """Requests, one connection each: simple, and quick enough for a test bed."""

    def __init__(self, instance: Instance) -> None:
        pki = instance.state / "pki"
        self._tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def request(self, method: str, path: str, body: Object | None = None) -> Object:
        """Send one request. A PATCH is a merge patch. Raises ApiError."""
        connection = self._connect(TIMEOUT_SECONDS)
        try:
            kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
            connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": kind})
            response = connection.getresponse()
            text = response.read().decode()
            if response.status >= 400:
                raise ApiError(response.status, text)
            answer: Object = json.loads(text)
            return answer
        finally:
            connection.close()

    def list(self, path: str) -> tuple[list[Object], str]:
        """What there is, and the version to watch from."""
        listed = self.request("GET", path)
        return listed["items"], listed["metadata"]["resourceVersion"]

    def watch(self, path: str, version: str) -> Iterator[tuple[str, Object]]:
        """Yield every change since a version until the server ends the watch."""
        connection = self._connect(None)
        try:
            connection.request("GET", f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=300")
            for line in connection.getresponse():
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            connection.close()

    def _connect(self, timeout: float | None) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(node_address(0), 6443, timeout=timeout, context=self._tls)
