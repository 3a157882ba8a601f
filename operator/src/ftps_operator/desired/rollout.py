"""Which shard may change now, and which half of its passive ports its next pods have.

While a shard's pods are replaced, the old one goes on with the sessions that it has. So that their data connections
reach it, and not the new one, the new one has the other half of the shard's ports: no two pods that serve at the same
time declare the same port.
"""

from typing import Any

from ftps_operator.availability import is_rolled_out
from ftps_operator.constants import PORTS_ANNOTATION, SHARD_LABEL, TEMPLATE_ANNOTATION
from ftps_operator.kinds import DEPLOYMENT
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, shard_name
from ftps_operator.observed import Observed
from ftps_operator.ports import halves, span


def choose_ports(server: FtpsServer, observed: Observed, ordinal: int, wanted: str) -> range | None:
    """The ports of the shard's pods, if its Deployment is to be written now. None: not yet, it stays as it is.

    `wanted` is the digest of the pod template. A template that stays keeps its ports, unless a pod that was evicted or
    deleted still serves on them: the pod that takes its place has not started by then, and gets the other half.
    """
    live = observed.deployment(server, ordinal)
    both = halves(server.spec.passive, ordinal)
    pods = _pods(observed, ordinal)
    current = next((half for half in both if span(half) == _template_annotation(live, PORTS_ANNOTATION)), None)
    is_new = _template_annotation(live, TEMPLATE_ANNOTATION) != wanted
    if current is not None and not is_new and not _is_left_behind(current, pods):
        return current
    if is_new and live is not None and is_rolled_out(live) and not _others_are_settled(server, observed, ordinal):
        return None
    if (last := _ports_of_last(wanted, pods)) is not None:
        return next((half for half in both if span(half) == last), None)
    taken = {_annotation(pod, PORTS_ANNOTATION) for pod in pods if _serves(pod)}
    free = [half for half in both if span(half) not in taken]
    # Both serve: a rollout has just ended, and its old pod still has sessions.
    return next((half for half in free if half != current), next(iter(free), None))


def is_served(observed: Observed, ordinal: int) -> bool:
    """Whether the shard has a pod that serves and is to stay: a rollout must keep it until the next one is ready.

    Without, it must keep none. When a pod is evicted, another with the same ports takes its place at once; the template
    with the other half comes a moment later, and a Deployment that keeps all available would let both of them start.
    """
    return any(_serves(pod) and not _is_ending(pod) for pod in _pods(observed, ordinal))


def is_outdated(server: FtpsServer, observed: Observed, ordinal: int, wanted: str) -> bool:
    """Whether the shard's Deployment has not got the wanted template yet."""
    return _template_annotation(observed.deployment(server, ordinal), TEMPLATE_ANNOTATION) != wanted


def surplus_shard(server: FtpsServer, observed: Observed) -> str | None:
    """The Deployment to remove next, as there are more shards than wanted: the highest, once those above are gone."""
    name, maximum = server.metadata.name, server.spec.passive.max_replicas
    above = range(server.spec.replicas, maximum)
    alive = {pod["metadata"].get("labels", {}).get(SHARD_LABEL) for pod in observed.pods}
    for ordinal in reversed(above):
        if (DEPLOYMENT, shard_name(name, ordinal)) in observed.objects:
            return shard_name(name, ordinal)
        if str(ordinal) in alive:
            return None
    return None


def _pods(observed: Observed, ordinal: int) -> list[Manifest]:
    return [pod for pod in observed.pods if pod["metadata"].get("labels", {}).get(SHARD_LABEL) == str(ordinal)]


def _others_are_settled(server: FtpsServer, observed: Observed, ordinal: int) -> bool:
    others = (observed.deployment(server, other) for other in range(server.spec.replicas) if other != ordinal)
    return all(other is None or is_rolled_out(other) for other in others)


def _ports_of_last(wanted: str, pods: list[Manifest]) -> str | None:
    """The ports of a pod that serves, and is what is wanted again: a change was taken back before it was through."""
    for pod in pods:
        if _serves(pod) and not _is_ending(pod) and _annotation(pod, TEMPLATE_ANNOTATION) == wanted:
            return _annotation(pod, PORTS_ANNOTATION)
    return None


def _is_left_behind(ports: range, pods: list[Manifest]) -> bool:
    """Whether of the pods with these ports that serve all are about to go."""
    serving = [pod for pod in pods if _serves(pod) and _annotation(pod, PORTS_ANNOTATION) == span(ports)]
    return bool(serving) and all(map(_is_ending, serving))


def _is_ending(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _serves(pod: Manifest) -> bool:
    """Whether it may have sessions: it has been ready once (`started`: its start-up probe has passed), and runs."""
    statuses: list[dict[str, Any]] = pod.get("status", {}).get("containerStatuses") or []
    return any(each.get("started") and "running" in each.get("state", {}) for each in statuses)


def _template_annotation(deployment: Manifest | None, name: str) -> str | None:
    return _annotation(deployment["spec"]["template"], name) if deployment is not None else None


def _annotation(manifest: Manifest, name: str) -> str | None:
    annotations: dict[str, str] = manifest["metadata"].get("annotations") or {}
    return annotations.get(name)
