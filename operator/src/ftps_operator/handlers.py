"""What kopf watches for us.

Only `on.event`: kopf's other handlers write annotations or finalizers into the objects they handle.
"""

import dataclasses
import logging
import os
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from ftps_operator.cache import selector
from ftps_operator.kinds import WATCHED, Kind, watched
from ftps_operator.naming import Manifest
from ftps_operator.pacing import Pace, middleware
from ftps_operator.settings import Settings

CONNECT_SECONDS = 10
REQUEST_SECONDS = 30
STREAM_SECONDS = 600
PAGE_SIZE = 100
QUEUE_SECONDS = 0.1
"""How long kopf keeps a task for an object that nothing happens to; when it lists, it has one for each object."""

Observe = Callable[[Kind, str | None, Manifest], None]
"""What happens to news: a kind, the event's type (None: kopf is listing the kind), the object."""


class _NoDiffs(kopf.DiffBaseStorage):
    """For each event kopf would copy the whole object, to tell its other handlers what has changed."""

    def build(self, **_: object) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: object) -> None:
        return None

    def store(self, **_: object) -> None:
        """Nothing is stored."""


def watch_settings(settings: Settings) -> kopf.OperatorSettings:
    """Configure kopf to watch, and to write nothing."""
    result = kopf.OperatorSettings()
    result.posting.enabled = False
    result.peering.standalone = True
    # Without the right to list namespaces and CRDs, kopf takes them as given.
    result.scanning.disabled = bool(settings.namespaces)
    # A connection that has died in silence must not blind the operator for kopf's five minutes.
    result.networking.request_timeout = REQUEST_SECONDS
    result.networking.connect_timeout = CONNECT_SECONDS
    result.watching.server_timeout = STREAM_SECONDS
    result.watching.chunk_size = PAGE_SIZE
    result.persistence.diffbase_storage = _NoDiffs()
    result.queueing.idle_timeout = QUEUE_SECONDS
    for kind in WATCHED:
        if (labels := selector(kind)) is not None:
            result.watching.label_selectors[_address(kind)] = labels
    return result


def _address(kind: Kind) -> tuple[str, str, str]:
    group, _, version = kind.api_version.rpartition("/")
    return group, version, kind.plural


def build_registry(settings: Settings, observe: Observe) -> kopf.OperatorRegistry:
    """Register a handler for each kind that is watched."""
    registry = kopf.OperatorRegistry()

    pace = Pace()

    @kopf.on.login(registry=registry, id="login")
    async def login(**arguments: Any) -> kopf.AiohttpSession | None:  # noqa: ANN401 - kopf's own
        if settings.kubeconfig:
            os.environ["KUBECONFIG"] = settings.kubeconfig  # kopf looks nowhere else
            found = kopf.login_with_kubeconfig(**arguments)
        else:
            found = _as_service_account(**arguments)
        return _session(found, pace) if found is not None else None

    def register(kind: Kind) -> None:
        @kopf.on.event(*_address(kind), registry=registry, id=kind.plural)
        async def on_event(event: Any, **_: Any) -> None:  # noqa: ANN401
            observe(kind, event["type"], event["object"])

    for kind in watched(settings.namespaces):
        register(kind)
    return registry


def _as_service_account(**arguments: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401
    """By address, as the client does it: kopf's own names the API server, and watches nothing while DNS is down."""
    found = kopf.login_with_service_account(**arguments)
    if found is None:
        return None
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return dataclasses.replace(found, server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")


def _session(found: kopf.ConnectionInfo, pace: Pace) -> kopf.AiohttpSession:
    """What kopf would make of it, at a pace. kopf closes it."""
    context = found.as_ssl_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as in api.py
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context),
        headers=found.as_http_headers(),
        proxy=found.proxy_url,
        trust_env=found.trust_env,
        middlewares=[middleware(pace)],
    )
    return kopf.AiohttpSession(server=found.server, default_namespace=found.default_namespace, aiohttp_session=session)


async def watch(settings: Settings, observe: Observe) -> None:
    """Watch until cancelled."""
    logging.getLogger(__name__).info("watching %s", ", ".join(settings.namespaces) or "all namespaces")
    await kopf.operator(
        registry=build_registry(settings, observe),
        settings=watch_settings(settings),
        # Or kopf asks for the name of the user, and a container's user has none. (Its type is not exported.)
        identity=settings.identity,  # type: ignore[arg-type]
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
    )
