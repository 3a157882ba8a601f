"""What would become of a server's objects, as paths of fields: never a value, which may be a secret's."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ftps_operator.constants import APPLIED_ANNOTATION
from ftps_operator.desired.shards import outdated_shards
from ftps_operator.kinds import DEPLOYMENT, Kind
from ftps_operator.models.server import FtpsServer
from ftps_operator.models.status import FIELD_LENGTH, MAX_CHANGES, MAX_FIELDS
from ftps_operator.naming import Manifest, shard_name
from ftps_operator.observed import Observed
from ftps_operator.policies import Verdict


class Action(StrEnum):
    """What would be done to an object."""

    CREATE = "Create"
    CHANGE = "Change"
    RECREATE = "Recreate"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What would become of one object."""

    kind: Kind
    name: str
    action: Action
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that would change, or why nothing could be."""

    changes: tuple[PlannedChange, ...] = ()
    obstacle: Verdict | None = None

    def as_status(self) -> list[dict[str, Any]]:
        """As the status has it, bounded."""
        return [
            {
                "object": f"{change.kind.kind} {change.name}",
                "action": change.action.value,
                "fields": _bounded(change.fields),
            }
            for change in self.changes[:MAX_CHANGES]
        ]


def _bounded(fields: tuple[str, ...]) -> list[str]:
    shown = [field[:FIELD_LENGTH] for field in fields[:MAX_FIELDS]]
    return [*shown, f"and {len(fields) - MAX_FIELDS} more"] if len(fields) > MAX_FIELDS else shown


def later_changes(
    server: FtpsServer, observed: Observed, noted: Collection[str], *, default_image: str
) -> list[PlannedChange]:
    """What would happen to shards whose turn comes after those that are `noted`, by the Deployments' names."""
    result = []
    for ordinal in outdated_shards(server, observed, default_image=default_image):
        name = shard_name(server.metadata.name, ordinal)
        if name not in noted:
            is_there = observed.deployment(server, ordinal) is not None
            change = (Action.CHANGE, ("spec.template",)) if is_there else (Action.CREATE, ())
            result.append(PlannedChange(DEPLOYMENT, name, *change))
    for ordinal in reversed(range(server.spec.replicas, server.spec.passive.max_replicas)):
        name = shard_name(server.metadata.name, ordinal)
        if name not in noted and observed.deployment(server, ordinal) is not None:
            result.append(PlannedChange(DEPLOYMENT, name, Action.DELETE))
    return result


# What the API server writes by itself at every change.
_BOOKKEEPING = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"}
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_ABSENT = object()


def changed_fields(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """The paths at which two states of an object differ. Its status is not looked at: the operator writes none."""
    return tuple(_differences(_comparable(before), _comparable(after), ""))


def _comparable(manifest: Manifest) -> Manifest:
    meta = {key: value for key, value in manifest["metadata"].items() if key not in _BOOKKEEPING}
    annotations = {key: value for key, value in (meta.get("annotations") or {}).items() if key != APPLIED_ANNOTATION}
    meta |= {"annotations": annotations}
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": meta}


def _differences(before: object, after: object, path: str) -> Iterator[str]:
    if before == after:
        return
    match before, after:
        case dict(), dict():
            pairs = _by_key(before, after)
        case list(), list() if _are_named(before) and _are_named(after):
            pairs = _by_key(*({item["name"]: item for item in items} for items in (before, after)))
            pairs = {f"[{key}]": pair for key, pair in pairs.items()}
        case list(), list() if len(before) == len(after):
            pairs = {f"[{index}]": pair for index, pair in enumerate(zip(before, after, strict=True))}
        case _:
            yield path
            return
    for key, pair in pairs.items():
        yield from _differences(*pair, _joined(path, key))


def _by_key(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[object, object]]:
    return {key: (before.get(key, _ABSENT), after.get(key, _ABSENT)) for key in (before | after)}


def _are_named(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and "name" in item for item in items)


def _joined(path: str, key: str) -> str:
    if key.startswith("["):
        return path + key
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
