"""A shard: one Deployment with one replica, and with passive ports of its own."""

from typing import Any

from pydantic import BaseModel

from ftps_operator.constants import CONFIG_ANNOTATION, PORTS_ANNOTATION
from ftps_operator.desired.config import HOST_IP_VARIABLE, PRE_STOP_SECONDS
from ftps_operator.models.server import FtpsServer, FtpsServerSpec
from ftps_operator.models.storage import Storage
from ftps_operator.naming import (
    Manifest,
    config_name,
    data_name,
    labels,
    metadata,
    pod_selector,
    shard_name,
    shard_selector,
    tls_name,
    users_name,
)
from ftps_operator.ports import ADMIN_NAME, EXPLICIT_NAME, IMPLICIT_NAME, passive_port_name, span
from ftps_server.config import (
    ADDRESS_FILE,
    ADMIN_PORT,
    CERTIFICATE_FILE,
    CLIENT_CA_FILE,
    CLIENT_CRL_FILE,
    CONFIG_DIRECTORY,
    EXPLICIT_PORT,
    EXPLICIT_SOURCE_PORT,
    IMPLICIT_PORT,
    IMPLICIT_SOURCE_PORT,
    PRIVATE_KEY_FILE,
    SERVER_FILE,
    USERS_FILE,
    ServerConfig,
)

CONTAINER = "ftps-server"
CLIENT_CA = "client-ca"
USER_ID = 65532
STORAGE_DIRECTORY = ServerConfig().storage_directory


def build_deployment(
    server: FtpsServer, *, ordinal: int, passive: range, keeps: bool, config_digest: str, default_image: str
) -> Manifest:
    """Build one shard's Deployment, whose pods have these passive ports; a rollout `keeps` the pod that is there.

    `config_digest` covers what the server reads at start: a change is a rollout.
    """
    selector = shard_selector(server.metadata.name, ordinal)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(server, shard_name(server.metadata.name, ordinal)),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 120,
            "selector": {"matchLabels": selector},
            "strategy": _strategy(server.spec.storage, keeps=keeps),
            "template": {
                "metadata": {
                    "labels": server.spec.pod_labels | labels(server.metadata.name) | selector,
                    "annotations": server.spec.pod_annotations
                    | {CONFIG_ANNOTATION: config_digest, PORTS_ANNOTATION: span(passive)},
                },
                "spec": _pod_spec(server, ordinal=ordinal, passive=passive, default_image=default_image),
            },
        },
    }


def _strategy(storage: Storage, *, keeps: bool) -> dict[str, Any]:
    if storage.is_bound_to_a_pod:
        return {"type": "Recreate"}  # a second pod could never mount the volume
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0 if keeps else 1}}


def _pod_spec(server: FtpsServer, *, ordinal: int, passive: range, default_image: str) -> dict[str, Any]:
    spec = server.spec
    pod: dict[str, Any] = {
        "serviceAccountName": spec.service_account_name or server.metadata.name,
        "automountServiceAccountToken": False,
        # Every port of the range would become variables of every pod of the namespace.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        "securityContext": _security_context(spec),
        "containers": [_container(spec, passive=passive, default_image=default_image)],
        "volumes": _volumes(server),
    }
    pod |= _scheduling(server, ordinal)
    if spec.image_pull_secrets:
        pod["imagePullSecrets"] = [_plain(secret) for secret in spec.image_pull_secrets]
    return pod


def _security_context(spec: FtpsServerSpec) -> dict[str, Any]:
    context: dict[str, Any] = {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if spec.active.enabled:
        # In place of a capability, in the pod's own network only: one of the sysctls that `restricted` allows.
        lowest = EXPLICIT_SOURCE_PORT if spec.explicit.enabled else IMPLICIT_SOURCE_PORT
        context["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": str(lowest)}]
    return context


def _container(spec: FtpsServerSpec, *, passive: range, default_image: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": spec.image or default_image,
        "imagePullPolicy": spec.image_pull_policy.value,
        "args": ["--passive-ports", span(passive)],
        "env": [{"name": HOST_IP_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}],
        "ports": _container_ports(spec, passive),
        "startupProbe": _probe("/readyz", periodSeconds=1, failureThreshold=60),
        "readinessProbe": _probe("/readyz", periodSeconds=5, failureThreshold=3),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _volume_mounts(spec),
    }
    if resources := _plain(spec.resources):
        container["resources"] = resources
    return container


def _container_ports(spec: FtpsServerSpec, passive: range) -> list[dict[str, Any]]:
    ports = []
    if spec.explicit.enabled:
        ports.append((EXPLICIT_NAME, EXPLICIT_PORT))
    if spec.implicit.enabled:
        ports.append((IMPLICIT_NAME, IMPLICIT_PORT))
    ports.append((ADMIN_NAME, ADMIN_PORT))
    ports.extend((passive_port_name(port), port) for port in passive)
    return [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports]


def _volume_mounts(spec: FtpsServerSpec) -> list[dict[str, Any]]:
    files = {"config": SERVER_FILE, "users": USERS_FILE, "tls": CERTIFICATE_FILE}
    if spec.tls.client_auth.authorities is not None:
        files[CLIENT_CA] = CLIENT_CA_FILE
    return [
        *(
            {"name": name, "mountPath": str(CONFIG_DIRECTORY / file.parent), "readOnly": True}
            for name, file in files.items()
        ),
        {"name": "data", "mountPath": STORAGE_DIRECTORY},
    ]


def _probe(path: str, **thresholds: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": ADMIN_NAME}, "timeoutSeconds": 3, **thresholds}


def _volumes(server: FtpsServer) -> list[dict[str, Any]]:
    name = server.metadata.name
    tls_files = [CERTIFICATE_FILE.name, PRIVATE_KEY_FILE.name]
    authorities = server.spec.tls.client_auth.authorities
    return [
        {
            "name": "config",
            "configMap": {"name": config_name(name), "items": _items([SERVER_FILE.name, ADDRESS_FILE.name])},
        },
        {"name": "users", "secret": {"secretName": users_name(name), "items": _items([USERS_FILE.name])}},
        {"name": "tls", "secret": {"secretName": tls_secret_name(server), "items": _items(tls_files)}},
        *([_client_ca_volume(authorities)] if authorities is not None else []),
        {"name": "data"} | _data_volume(server),
    ]


def _client_ca_volume(secret: str) -> dict[str, Any]:
    """Nothing but these keys: in a Secret of cert-manager the authority's private key is beside them."""
    sources: list[dict[str, Any]] = [
        {"secret": {"name": secret, "items": _items([CLIENT_CA_FILE.name])}},
        {"secret": {"name": secret, "items": _items([CLIENT_CRL_FILE.name]), "optional": True}},
    ]
    return {"name": CLIENT_CA, "projected": {"sources": sources}}


def _items(keys: list[str]) -> list[dict[str, str]]:
    return [{"key": key, "path": key} for key in keys]


def _data_volume(server: FtpsServer) -> dict[str, Any]:
    storage = server.spec.storage
    if storage.empty_dir is not None:
        return {"emptyDir": _plain(storage.empty_dir)}
    return {"persistentVolumeClaim": {"claimName": storage.existing_claim or data_name(server.metadata.name)}}


def tls_secret_name(server: FtpsServer) -> str:
    """The Secret that certificate and key are mounted from."""
    return server.spec.tls.secret_name or tls_name(server.metadata.name)


def _scheduling(server: FtpsServer, ordinal: int) -> dict[str, Any]:
    spec = server.spec
    fields: dict[str, Any] = {}
    affinity = _plain(spec.affinity)
    if _needs_one_node(spec):
        _keep_together(affinity, pod_selector(server.metadata.name))
    else:
        _keep_in_place(affinity, shard_selector(server.metadata.name, ordinal))
    if affinity:
        fields["affinity"] = affinity
    if spec.node_selector:
        fields["nodeSelector"] = spec.node_selector
    if spec.tolerations:
        fields["tolerations"] = [_plain(toleration) for toleration in spec.tolerations]
    if spec.topology_spread_constraints:
        own = {"labelSelector": {"matchLabels": pod_selector(server.metadata.name)}}
        fields["topologySpreadConstraints"] = [own | _plain(each) for each in spec.topology_spread_constraints]
    if spec.priority_class_name is not None:
        fields["priorityClassName"] = spec.priority_class_name
    return fields


def _needs_one_node(spec: FtpsServerSpec) -> bool:
    """Whether a pod elsewhere would never start, or some of the passive ports would not be reached.

    With externalTrafficPolicy Local a node drops what comes for a port of which it has no pod. Load balancers do not
    know: they ask a node whether it has a pod of the Service, whatever the port.
    """
    return spec.storage.is_bound_to_a_node or (spec.service.is_local and spec.replicas > 1)


def _keep_together(affinity: dict[str, Any], selector: dict[str, str]) -> None:
    """The first pod satisfies the term by itself."""
    terms = affinity.setdefault("podAffinity", {}).setdefault("requiredDuringSchedulingIgnoredDuringExecution", [])
    terms.append({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": selector}})


def _keep_in_place(affinity: dict[str, Any], selector: dict[str, str]) -> None:
    """Put a shard's next pod beside the one before, where there is room.

    With externalTrafficPolicy Local a load balancer leaves a node whose only pod is about to end, although it still has
    sessions.
    """
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": selector}}
    terms = affinity.setdefault("podAffinity", {}).setdefault("preferredDuringSchedulingIgnoredDuringExecution", [])
    terms.append({"weight": 100, "podAffinityTerm": term})


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)
