"""The one module that knows the Kubernetes client: plain dictionaries in and out, failures by what to do about them."""

import json
from collections.abc import Mapping
from typing import Any, Protocol, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from ftps_operator.constants import FIELD_MANAGER, STATUS_FIELD_MANAGER
from ftps_operator.errors import ConflictError, ForbiddenError, InvalidError, KindNotServedError, TransientError
from ftps_operator.kinds import Kind, of
from ftps_operator.naming import Manifest

TIMEOUT_SECONDS = 15.0
PAGE_SIZE = 500

_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_JSON = "application/json"


class ApiClient(Protocol):
    """What the operator asks of the API server.

    Every method raises TransientError when the server cannot be reached or is overloaded, ForbiddenError when a
    permission is missing, KindNotServedError when a CRD is.
    """

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read an object; None where there is none."""

    async def list(self, kind: Kind, namespace: str | None, *, label_selector: str | None = None) -> list[Manifest]:
        """Read all objects of a namespace, or of the cluster."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply. Raises InvalidError, ConflictError."""

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Server-side apply of the status alone."""

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of an object that somebody else keeps; nothing happens where it is gone."""

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete just this object, not one of the same name made since."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object. Raises ConflictError where there is one."""

    async def replace(self, manifest: Manifest) -> Manifest:
        """Write an object back. Raises ConflictError where it was changed meanwhile."""


class KubernetesApi:
    """The API server of a cluster, through kubernetes.aio."""

    def __init__(self, connection: client.ApiClient) -> None:
        self._connection = connection
        self._host: str = connection.configuration.host

    @classmethod
    async def connect(cls, kubeconfig: str | None) -> Self:
        """Connect with a kubeconfig file, or as the pod's ServiceAccount (whose token is read anew each minute)."""
        configuration = client.Configuration()
        if kubeconfig:
            await config.load_kube_config(kubeconfig, client_configuration=configuration, persist_config=False)
        else:
            config.load_incluster_config(client_configuration=configuration)
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        try:
            return await self._request("GET", _path(kind, namespace, name))
        except _NotFoundError:
            return None

    async def list(self, kind: Kind, namespace: str | None, *, label_selector: str | None = None) -> list[Manifest]:
        query: dict[str, str] = {"limit": str(PAGE_SIZE)}
        if label_selector is not None:
            query["labelSelector"] = label_selector
        items: list[Manifest] = []
        while True:
            page = await self._request("GET", _path(kind, namespace), query=query)
            # The items of a list do not say what they are.
            items += [{"apiVersion": kind.api_version, "kind": kind.kind} | item for item in page["items"]]
            following = page["metadata"].get("continue")
            if not following:
                return items
            query["continue"] = following

    async def apply(self, manifest: Manifest) -> Manifest:
        return await self._apply(manifest, FIELD_MANAGER)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        return await self._apply(manifest, STATUS_FIELD_MANAGER, subresource="status")

    async def _apply(self, manifest: Manifest, manager: str, subresource: str = "") -> Manifest:
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        path = _path(of(manifest), manifest["metadata"]["namespace"], manifest["metadata"]["name"], subresource)
        return await self._request("PATCH", path, query=query, body=manifest, content_type=_APPLY)

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        body = {"metadata": {"annotations": dict(annotations)}}
        query = {"fieldManager": FIELD_MANAGER}
        try:
            path = _path(kind, namespace, name)
            await self._request("PATCH", path, query=query, body=body, content_type=_MERGE)
        except _NotFoundError:
            return

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", _path(kind, namespace, name), body=body)
        except (_NotFoundError, ConflictError):
            return

    async def create(self, manifest: Manifest) -> Manifest:
        path = _path(of(manifest), manifest["metadata"]["namespace"])
        return await self._request("POST", path, body=manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        path = _path(of(manifest), manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        return await self._request("PUT", path, body=manifest)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = _JSON,
    ) -> Manifest:
        headers = {"Accept": _JSON, "Content-Type": content_type}
        url = f"{self._host}{path}?{urlencode(query)}" if query else f"{self._host}{path}"
        try:
            await self._connection.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            response = await self._connection.call_api(
                method, url, header_params=headers, body=body, _request_timeout=TIMEOUT_SECONDS
            )
            text = await response.read()
        except ApiException as error:
            raise _failure(error.status, error.body, f"{method} {path}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError(f"{method} {path}: {type(error).__name__}: {error}") from error
        if response.status >= 400:
            raise _failure(response.status, text, f"{method} {path}")
        answer: Manifest = json.loads(text)
        return answer


class _NotFoundError(Exception):
    pass


def _path(kind: Kind, namespace: str | None, name: str = "", subresource: str = "") -> str:
    root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
    parts = [root]
    if namespace is not None:
        parts.append(f"namespaces/{namespace}")
    return "/".join(filter(None, [*parts, kind.plural, name, subresource]))


def _failure(status: int, body: bytes | str | None, request: str) -> Exception:
    answer = _status_object(body)
    message = answer.get("message") or (body.decode(errors="replace") if isinstance(body, bytes) else body) or ""
    match status:
        case 404:
            # An unknown kind is answered in plain text, or by a Status that names no object.
            named = (answer.get("details") or {}).get("name")
            return _NotFoundError(message) if named else KindNotServedError(f"{request}: {message}")
        case 409:
            return ConflictError(f"{request}: {message}")
        case 403:
            return ForbiddenError(f"{request}: {message}")
        case 400 | 422:
            return InvalidError(message)
        case _:
            return TransientError(f"{request}: {status}: {message}")


def _status_object(body: bytes | str | None) -> dict[str, Any]:
    try:
        answer = json.loads(body or "{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
