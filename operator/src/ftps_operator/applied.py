"""Whether a manifest has been applied already, so that applying it once more would change nothing.

Comparing it with the live object would not do: the API server fills in defaults and writes quantities its own way, and
others add to the lists that they may add to. What it does say is who set each field last
(https://kubernetes.io/docs/reference/using-api/server-side-apply/). So: the manifest's digest, in an annotation that is
applied with it, is that of the last apply; and every field of it still counts as ours, so nobody has given it another
value since.
"""

import json
from collections import defaultdict
from functools import lru_cache
from typing import Any

from ftps_operator.constants import APPLIED_ANNOTATION, FIELD_MANAGER
from ftps_operator.desired.config import digest
from ftps_operator.naming import Manifest

# They name the object, nobody owns them.
_IDENTITY = {"apiVersion", "kind"}
_METADATA_IDENTITY = {"name", "namespace", "uid"}


def marked(manifest: Manifest) -> Manifest:
    """The manifest with its digest in it."""
    meta = manifest["metadata"]
    mark = {APPLIED_ANNOTATION: digest(json.dumps(manifest, sort_keys=True))}
    return manifest | {"metadata": meta | {"annotations": meta.get("annotations", {}) | mark}}


def mark_of(manifest: Manifest) -> str | None:
    """The digest in an object."""
    mark: str | None = (manifest["metadata"].get("annotations") or {}).get(APPLIED_ANNOTATION)
    return mark


def only_where_absent(manifest: Manifest) -> Manifest:
    """The manifest in a form whose apply makes an object, and is a conflict where there is one.

    An apply names the version that it is for, if any; no object has had this one, and an object that is made now is
    not asked for a version. So somebody else's object of that name is never overwritten, however late it came.
    """
    return manifest | {"metadata": manifest["metadata"] | {"resourceVersion": "1"}}


def is_applied(manifest: Manifest, live: Manifest) -> bool:
    """Whether a marked manifest was applied, and nobody has changed a field of it since."""
    if mark_of(live) != mark_of(manifest):
        return False
    entries = [
        entry.get("fieldsV1") or {}
        for entry in live["metadata"].get("managedFields") or ()
        if entry["manager"] == FIELD_MANAGER
    ]
    meta = {key: value for key, value in manifest["metadata"].items() if key not in _METADATA_IDENTITY}
    fields = {key: value for key, value in manifest.items() if key not in _IDENTITY} | {"metadata": meta}
    # Two entries: what a webhook made of our apply counts as an update, by the same manager.
    return _all_owned(fields, entries)


Fields = dict[str, Any]
Key = tuple[tuple[str, Any], ...]


def _all_owned(value: dict[str, Any], owned: list[Fields]) -> bool:
    return all(
        (below := [fields[name] for fields in owned if (name := f"f:{key}") in fields])
        and (_is_leaf(below) or _is_owned(child, below))
        for key, child in value.items()
    )


def _is_owned(value: object, owned: list[Fields]) -> bool:
    if isinstance(value, dict):
        return _all_owned(value, owned)
    if isinstance(value, list):
        return _items_are_owned(value, owned)
    return True


def _items_are_owned(items: list[Any], owned: list[Fields]) -> bool:
    """An item of a list is owned by its keys or, in a set, by its value."""
    by_key: dict[Key, list[Fields]] = defaultdict(list)
    for fields in owned:
        for name, below in fields.items():
            if name != ".":  # the list itself
                by_key[_key(name)].append(below)
    names = {tuple(name for name, _ in key) for key in by_key}
    for item in items:
        keys = [_key_of(item, each) for each in names]
        found = [below for key in keys for below in by_key.get(key, ())]
        if not found or not (_is_leaf(found) or _is_owned(item, found)):
            return False
    return True


@lru_cache(1024)
def _key(name: str) -> Key:
    """How the API server calls an item: `k:` with its keys and their values, or `v:` with its value."""
    kind, _, text = name.partition(":")
    named = json.loads(text)
    return tuple(sorted(named.items())) if kind == "k" else (("", named),)


def _key_of(item: object, names: tuple[str, ...]) -> Key:
    if isinstance(item, dict):
        return tuple((name, item.get(name)) for name in names)
    return (("", item),)


def _is_leaf(owned: list[Fields]) -> bool:
    """Owned as a whole: a scalar, an atomic map or list, or an empty one."""
    return any(not fields for fields in owned)
