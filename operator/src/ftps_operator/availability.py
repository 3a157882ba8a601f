"""How many replicas serve, and what keeps the others from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ftps_operator.naming import Manifest


@dataclass(frozen=True, slots=True)
class Availability:
    """Counts over the shards' Deployments."""

    wanted: int = 1
    replicas: int = 0
    ready: int = 0
    rolled_out: bool = False
    """Every shard runs its newest template, and nothing else."""
    stuck: bool = False
    """A new pod has not got ready in time."""
    problem: str = ""
    """What the cluster says of a pod that does not get ready."""
    waiting: tuple[int, ...] = ()
    """The shards whose turn to change has not come yet."""


def assess(
    deployments: Iterable[Manifest | None], pods: Iterable[Manifest], *, outdated: Iterable[int] = ()
) -> Availability:
    """Look at the shards' Deployments (None: not made yet) and at their pods."""
    shards = list(deployments)
    waiting = tuple(outdated)
    statuses = [shard.get("status", {}) if shard else {} for shard in shards]
    rolled_out = not waiting and all(shard is not None and is_rolled_out(shard) for shard in shards)
    return Availability(
        wanted=len(shards),
        replicas=sum(status.get("replicas", 0) for status in statuses),
        ready=sum(status.get("availableReplicas", 0) for status in statuses),
        rolled_out=rolled_out,
        stuck=any(map(_is_stuck, statuses)),
        waiting=waiting,
        problem="" if rolled_out else next(filter(None, map(_pod_problem, pods)), ""),
    )


def is_rolled_out(deployment: Manifest) -> bool:
    """Whether it runs its newest template, and nothing else, as `kubectl rollout status` has it."""
    status = deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def _is_stuck(status: dict[str, Any]) -> bool:
    """Whether the Deployment's progressDeadlineSeconds are over."""
    return any(
        condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"
        for condition in status.get("conditions") or []
    )


def _pod_problem(pod: Manifest) -> str:
    name = pod["metadata"]["name"]
    status: dict[str, Any] = pod.get("status", {})
    for container in status.get("containerStatuses") or []:
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"pod {name}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"pod {name} cannot be scheduled: {condition.get('message', '')}"
    return ""
