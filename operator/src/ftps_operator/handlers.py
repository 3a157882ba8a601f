"""What kopf watches for us. Every event means just one thing: look at that server again.

Only `on.event`: kopf's other handlers write annotations or finalizers into the objects they handle.
"""

import dataclasses
import logging
import os
from collections.abc import Callable
from typing import Any

import kopf

from ftps_operator.constants import GROUP, MANAGED_BY, MANAGED_BY_LABEL, SERVER_LABEL, VERSION
from ftps_operator.settings import Settings
from ftps_operator.workqueue import Key

# Never Secrets: listing them is a right that the operator does without.
OWNED = (
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
    ("", "v1", "serviceaccounts"),
    ("", "v1", "persistentvolumeclaims"),
    ("", "v1", "pods"),
    ("apps", "v1", "deployments"),
    ("networking.k8s.io", "v1", "networkpolicies"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("cert-manager.io", "v1", "certificates"),
)

CONNECT_SECONDS = 10
REQUEST_SECONDS = 30
STREAM_SECONDS = 600
PAGE_SIZE = 500


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
    for resource in OWNED:
        result.watching.label_selectors[resource] = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
    return result


def build_registry(settings: Settings, add: Callable[[Key], None]) -> kopf.OperatorRegistry:
    """Register a handler for the servers and for each kind of object that belongs to one."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's own
        if settings.kubeconfig:
            os.environ["KUBECONFIG"] = settings.kubeconfig  # kopf looks nowhere else
            return kopf.login_with_kubeconfig(**arguments)
        return _as_service_account(**arguments)

    @kopf.on.event(GROUP, VERSION, "ftpsservers", registry=registry, id="server")
    async def on_server(namespace: str | None, name: str | None, **_: Any) -> None:  # noqa: ANN401
        if namespace and name:
            add(Key(namespace, name))

    async def on_owned(namespace: str | None, labels: Any, **_: Any) -> None:  # noqa: ANN401
        server = labels.get(SERVER_LABEL)
        if namespace and server:
            add(Key(namespace, server))

    for group, version, plural in OWNED:
        kopf.on.event(group, version, plural, registry=registry, id=f"owned-{plural}")(on_owned)
    return registry


def _as_service_account(**arguments: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401
    """By address, as the client does it: kopf's own names the API server, and watches nothing while DNS is down."""
    found = kopf.login_with_service_account(**arguments)
    if found is None:
        return None
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return dataclasses.replace(found, server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")


async def watch(settings: Settings, add: Callable[[Key], None]) -> None:
    """Watch until cancelled."""
    logging.getLogger(__name__).info("watching %s", ", ".join(settings.namespaces) or "all namespaces")
    await kopf.operator(
        registry=build_registry(settings, add),
        settings=watch_settings(settings),
        # Or kopf asks for the name of the user, and a container's user has none. (Its type is not exported.)
        identity=settings.identity,  # type: ignore[arg-type]
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
    )
