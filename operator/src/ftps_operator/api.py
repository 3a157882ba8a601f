"""The one module that knows the Kubernetes client: plain dictionaries in and out, failures by what to do about them."""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, Self
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from ftps_operator.constants import FIELD_MANAGER, STATUS_FIELD_MANAGER
from ftps_operator.errors import (
    ApiError,
    Cause,
    ConflictError,
    DeniedError,
    ForbiddenError,
    InvalidError,
    KindNotServedError,
    TransientError,
)
from ftps_operator.kinds import LEASE, Kind, of
from ftps_operator.metrics import Metrics
from ftps_operator.naming import Manifest

TIMEOUT_SECONDS = 15.0
PAGE_SIZE = 100
RETRY_PAUSES = (0.2, 0.6)
"""Before a request is sent again. A reconcile asks a dozen times: where one answer in three is a failure, hardly one
would get through. Every request may be sent twice: the second one changes nothing, or is a conflict."""
LONGEST_RETRY_AFTER = 2.0
"""Who is to wait for longer goes back to the queue, which does something else meanwhile."""

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

# What the authorizer says, unlike the admission plugins, which answer 403 too.
_LACKS_PERMISSION = re.compile(r'User ".*" cannot ')
# Answered 500 although no retry can help: a manifest that does not fit the schema (kubernetes/kubernetes#118877,
# #139253), and a node port that is asked for twice in one Service (registry/core/service/storage/alloc.go).
_UNFIT = ("failed to create typed patch object", "duplicate nodePort")


class ApiClient(Protocol):
    """What the operator asks of the API server.

    Every method raises TransientError when the server cannot be reached or is overloaded, ForbiddenError when a
    permission is missing, KindNotServedError when a CRD is. What writes raises InvalidError when the server refuses
    the manifest, and ConflictError when the object, or its namespace, has gone or changed meanwhile.
    """

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read an object; None where there is none."""

    async def version(self, kind: Kind, namespace: str, name: str) -> str | None:
        """An object's resourceVersion, without its content; as the API server remembers it, so it may be behind."""

    def pages(
        self, kind: Kind, namespace: str | None, *, label_selector: str | None = None
    ) -> AsyncIterator[list[Manifest]]:
        """Read all objects of a namespace, or of the cluster, some at a time."""

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Server-side apply: the fields in the manifest become ours, all others stay as they are.

        `dry_run`: nothing is written, the answer is what the object would be.
        """

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Server-side apply of the status alone."""

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> Manifest | None:
        """Set annotations of an object that somebody else keeps; None where it is gone."""

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete just this object, not one of the same name made since."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object. Raises ConflictError where there is one."""

    async def replace(self, manifest: Manifest) -> Manifest:
        """Write an object back. Raises ConflictError where it was changed meanwhile."""


class KubernetesApi:
    """The API server of a cluster, through kubernetes.aio."""

    def __init__(self, connection: client.ApiClient, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or Metrics()
        self._connection = connection
        self._connection.configuration.trace_configs = [self._gate()]
        self._host: str = connection.configuration.host
        self.may_write: Callable[[], bool] = lambda: True
        """Asked before each write but the lease's."""

    @classmethod
    async def connect(cls, kubeconfig: str | None, metrics: Metrics) -> Self:
        """Connect with a kubeconfig file, or as the pod's ServiceAccount (whose token is read anew each minute)."""
        configuration = client.Configuration()
        # Python 3.13 and later take no certificate without the identifier of its authority's key. Many clusters' API
        # servers have such a one (kubernetes-client/python#2394).
        configuration.disable_strict_ssl_verification = True
        if kubeconfig:
            await config.load_kube_config(kubeconfig, client_configuration=configuration, persist_config=False)
        else:
            config.load_incluster_config(client_configuration=configuration)
        return cls(client.ApiClient(configuration), metrics)

    def _gate(self) -> aiohttp.TraceConfig:
        """Asks `may_write` as late as can be, with the connection at hand: the process may be stopped at any moment."""

        async def begin(_: object, context: SimpleNamespace, sending: aiohttp.TraceRequestStartParams) -> None:
            context.needs_leave = sending.method != "GET" and f"/{LEASE.plural}" not in sending.url.path

        async def pass_through(_: object, context: SimpleNamespace, __: object) -> None:
            if context.needs_leave and not self.may_write():
                raise TransientError("not sent, as another operator may lead by now")

        gate = aiohttp.TraceConfig()
        gate.on_request_start.append(begin)
        gate.on_connection_create_end.append(pass_through)
        gate.on_connection_reuseconn.append(pass_through)
        return gate

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        try:
            return await self._request("GET", _path(kind, namespace, name))
        except _NotFoundError:
            return None

    async def version(self, kind: Kind, namespace: str, name: str) -> str | None:
        path = _path(kind, namespace, name)
        try:
            found = await self._request("GET", path, query={"resourceVersion": "0"}, accept=_METADATA)
        except _NotFoundError:
            return None
        version: str = found["metadata"]["resourceVersion"]
        return version

    async def pages(
        self, kind: Kind, namespace: str | None, *, label_selector: str | None = None
    ) -> AsyncIterator[list[Manifest]]:
        query: dict[str, str] = {"limit": str(PAGE_SIZE)}
        if label_selector is not None:
            query["labelSelector"] = label_selector
        while True:
            page = await self._request("GET", _path(kind, namespace), query=query)
            # The items of a list do not say what they are.
            yield [{"apiVersion": kind.api_version, "kind": kind.kind} | item for item in page["items"] or ()]
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        return await self._apply(manifest, FIELD_MANAGER, dry_run=dry_run)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        return await self._apply(manifest, STATUS_FIELD_MANAGER, subresource="status")

    async def _apply(
        self, manifest: Manifest, manager: str, *, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        path = _path(of(manifest), manifest["metadata"]["namespace"], manifest["metadata"]["name"], subresource)
        return await self._request("PATCH", path, query=query, body=manifest, content_type=_APPLY)

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> Manifest | None:
        body = {"metadata": {"annotations": dict(annotations)}}
        query = {"fieldManager": FIELD_MANAGER}
        try:
            path = _path(kind, namespace, name)
            return await self._request("PATCH", path, query=query, body=body, content_type=_MERGE)
        except _NotFoundError:
            return None

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", _path(kind, namespace, name), body=body)
        except ConflictError:  # gone, or gone and made anew
            return

    async def create(self, manifest: Manifest) -> Manifest:
        path = _path(of(manifest), manifest["metadata"]["namespace"])
        return await self._request("POST", path, query={"fieldManager": FIELD_MANAGER}, body=manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        path = _path(of(manifest), manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        return await self._request("PUT", path, query={"fieldManager": FIELD_MANAGER}, body=manifest)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> Manifest:
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": FIELD_MANAGER}
        request = _Request(method, path, f"{self._host}{path}{f'?{urlencode(query)}' if query else ''}", headers, body)
        for pause in RETRY_PAUSES:
            try:
                return await self._attempt(request)
            except _BriefError as error:
                if (error.retry_after or 0) > LONGEST_RETRY_AFTER:
                    raise
                await asyncio.sleep(max(pause * (0.5 + random.random()), error.retry_after or 0))  # noqa: S311
        return await self._attempt(request)

    async def _attempt(self, request: "_Request") -> Manifest:
        method, headers = request.method, dict(request.headers)
        try:
            await self._connection.update_params_for_auth(
                headers, [], ["BearerToken"], request.path, method, request.body
            )
            response = await self._connection.call_api(
                method, request.url, header_params=headers, body=request.body, _request_timeout=TIMEOUT_SECONDS
            )
            text = await response.read()
        # ConfigException: the token's file is empty just now, or a kubeconfig's program gave no token.
        except (ApiException, config.ConfigException, aiohttp.ClientError, TimeoutError, OSError) as error:
            self._metrics.requests.labels(method, "<error>").inc()
            # Who has waited for an answer in vain has waited long enough.
            kind = TransientError if isinstance(error, TimeoutError) else _BriefError
            raise kind(f"{request}: {type(error).__name__}: {error}") from error
        self._metrics.requests.labels(method, str(response.status)).inc()
        if response.status >= 400:
            raise _failure(response.status, text, str(request), retry_after=response.headers.get("Retry-After"))
        try:
            answer: Manifest = json.loads(text)
        except ValueError as error:
            raise TransientError(f"{request}: the answer is no JSON") from error
        return answer


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    url: str
    headers: Mapping[str, str]
    body: Manifest | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _BriefError(TransientError):
    """Likely to be gone at once: of several API servers one does not answer well."""


class _NotFoundError(ConflictError):
    """There is no such object: None to a reader, a conflict to a writer, who had seen it."""


def _path(kind: Kind, namespace: str | None, name: str = "", subresource: str = "") -> str:
    root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
    parts = [root]
    if namespace is not None:
        parts.append(f"namespaces/{quote(namespace, safe='')}")
    # Quoted: a name may be what somebody wrote into a resource, and must not lead anywhere else.
    return "/".join(filter(None, [*parts, kind.plural, quote(name, safe=""), subresource]))


def _failure(status: int, body: bytes, request: str, *, retry_after: str | None = None) -> ApiError:
    answer = _status_object(body)
    message = f"{request}: {answer.get('message') or body.decode(errors='replace').strip()}"
    details = answer.get("details") or {}
    match status:
        case 404:
            # An unknown kind is answered in plain text, or by a Status that names no object.
            return _NotFoundError(message) if details.get("name") else KindNotServedError(message)
        case 409:
            return ConflictError(message)
        case 403:
            return _refusal(message, details)
        case 401 | 408 | 410:
            return TransientError(message, retry_after=_seconds(retry_after))
        case _ if (status < 500 and status != 429) or any(words in message for words in _UNFIT):
            return _invalid(InvalidError, answer.get("message") or message, details)
        case _:
            return _BriefError(f"{message} ({status})", retry_after=_seconds(retry_after))


def _refusal(message: str, details: Mapping[str, Any]) -> ApiError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in details.get("causes") or ()):
        return ConflictError(message)  # the object's owner is about to go as well
    if _LACKS_PERMISSION.search(message):
        return ForbiddenError(message)
    return _invalid(DeniedError, message.partition(": ")[2], details)


def _invalid(error: type[InvalidError], message: str, details: Mapping[str, Any]) -> InvalidError:
    causes = (Cause(each.get("field", ""), each.get("message", "")) for each in details.get("causes") or ())
    return error(message, causes=tuple(causes))


def _seconds(retry_after: str | None) -> float | None:
    """The API server gives seconds; a date, which HTTP allows too, counts as nothing said."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body or b"{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
