"""The shards' Deployments as they should be now: each changes in its turn."""

import json

from ftps_operator.constants import TEMPLATE_ANNOTATION
from ftps_operator.desired.config import build_server_config, digest
from ftps_operator.desired.deployment import build_deployment
from ftps_operator.desired.rollout import choose_ports, is_outdated, is_served
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest
from ftps_operator.observed import Observed
from ftps_operator.ports import halves

RESTARTED_ANNOTATION = "kubectl.kubernetes.io/restartedAt"
"""`kubectl rollout restart` sets it on a pod template."""


def build_shard(server: FtpsServer, observed: Observed, ordinal: int, *, default_image: str) -> Manifest | None:
    """Build one shard's Deployment. None: its turn has not come, what is there stays."""
    wanted = _template_digest(server, observed, ordinal, default_image)
    ports = choose_ports(server, observed, ordinal, wanted)
    if ports is None:
        return None
    deployment = _build(server, ordinal, ports, default_image, keeps=is_served(observed, ordinal))
    deployment["spec"]["template"]["metadata"]["annotations"][TEMPLATE_ANNOTATION] = wanted
    return deployment


def outdated_shards(server: FtpsServer, observed: Observed, *, default_image: str) -> list[int]:
    """The shards whose turn has not come yet."""
    return [
        ordinal
        for ordinal in range(server.spec.replicas)
        if is_outdated(server, observed, ordinal, _template_digest(server, observed, ordinal, default_image))
    ]


def _build(server: FtpsServer, ordinal: int, passive: range, default_image: str, *, keeps: bool = True) -> Manifest:
    # Limits are reloaded. A field that the schema got, and of which nothing is said, is no change.
    config = build_server_config(server).model_dump_json(exclude={"limits"}, exclude_none=True)
    return build_deployment(
        server, ordinal=ordinal, passive=passive, keeps=keeps, config_digest=digest(config), default_image=default_image
    )


def _template_digest(server: FtpsServer, observed: Observed, ordinal: int, default_image: str) -> str:
    """Of the template with the same ports always, and of a restart that a person has asked for."""
    template = _build(server, ordinal, halves(server.spec.passive, ordinal)[0], default_image)["spec"]["template"]
    live = observed.deployment(server, ordinal) or {"spec": {"template": {"metadata": {}}}}
    annotations = live["spec"]["template"]["metadata"].get("annotations") or {}
    return digest(json.dumps(template, sort_keys=True), annotations.get(RESTARTED_ANNOTATION, ""))
