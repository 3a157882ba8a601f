"""What the cluster holds of the watched kinds, as far as watches, listings and answers to writes have told.

News come by several ways that overtake each other. Of one object the higher resourceVersion is the newer; of two
objects that had one name after another nothing is said (resourceVersions are comparable since Kubernetes 1.35 only,
KEP-5504): then neither is kept, and who needs to know asks the API server.

Objects are kept as compressed JSON: parsed, one takes ten times the room, and whoever reads it could change it.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ftps_operator.constants import FIELD_MANAGER, SERVER_LABEL
from ftps_operator.kinds import FTPS_SERVER, FTPS_USER, NAMESPACE, POD, Kind
from ftps_operator.naming import Manifest

_POD_METADATA = ("name", "namespace", "uid", "labels", "annotations", "deletionTimestamp")
_POD_STATUS = ("hostIPs", "conditions", "containerStatuses")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Owner = tuple[str, str]
"""Namespace and name of the server that an object belongs to, or is; of an FtpsUser, the one that it names."""
News = Callable[[Kind, Manifest, set[Owner]], None]
"""What is done about an object that has changed, and whose it is or was."""
Slot = tuple[str, str]
"""Namespace and name; a namespace has no namespace."""


@dataclass(slots=True)
class _Entry:
    uid: str
    version: str
    owner: Owner
    content: bytes = field(repr=False)
    heard: int
    """When it was last heard of, as `Store.mark` counts."""


class Store:
    """Objects by kind, namespace and name, and by the server that they belong to."""

    def __init__(self) -> None:
        self._entries: dict[Kind, dict[Slot, _Entry]] = defaultdict(dict)
        self._slots: dict[tuple[Kind, Owner], set[Slot]] = defaultdict(set)
        self._deleted: dict[str, tuple[str, int]] = {}
        """The last version of what was deleted, by uid: an answer that was under way must not bring it back."""
        self._count = 0

    def observe(self, kind: Kind, live: Manifest) -> set[Owner]:
        """Take in an object as it was at some time. Returns whose object it is, and was, if that is news."""
        meta = live["metadata"]
        uid, version, slot = meta["uid"], meta["resourceVersion"], _slot(meta)
        self._count += 1
        deleted, _ = self._deleted.get(uid, ("", 0))
        if version == deleted or _is_older(version, deleted):
            return set()
        known = self._entries[kind].get(slot)
        if known is not None and known.uid != uid:
            return self._drop(kind, slot)
        if known is not None and version == known.version:
            known.heard = self._count
            return set()
        if known is not None and _is_older(version, known.version):
            return set()
        owner = _owner(kind, live)
        entry = _Entry(uid, version, owner, zlib.compress(json.dumps(_trimmed(kind, live)).encode(), 1), self._count)
        before = self._drop(kind, slot) if known is not None else set()
        self._entries[kind][slot] = entry
        self._slots[kind, owner].add(slot)
        if known is not None and _is_no_news(kind, known.content, entry.content):
            return set()
        return before | self._concerned(kind, slot, owner)

    def remove(self, kind: Kind, live: Manifest) -> set[Owner]:
        """Take in that an object is gone, or has lost its label. Returns whose object it was, if that is news."""
        meta = live["metadata"]
        slot = _slot(meta)
        self._count += 1
        self._deleted[meta["uid"]] = (meta["resourceVersion"], self._count)
        known = self._entries[kind].get(slot)
        if known is None or known.uid != meta["uid"] or _is_older(meta["resourceVersion"], known.version):
            return set()
        return self._drop(kind, slot)

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """An object, without the fields that nobody reads. None: it is not known."""
        entry = self._entries[kind].get((namespace, name))
        if entry is None:
            return None
        live: Manifest = json.loads(zlib.decompress(entry.content))
        live["metadata"]["resourceVersion"] = entry.version
        return {"apiVersion": kind.api_version, "kind": kind.kind} | live

    def belonging(self, kind: Kind, owner: Owner) -> list[Manifest]:
        """All objects of a kind that carry a server's label, or all FtpsUsers that name it."""
        slots = self._slots.get((kind, owner), ())
        return [live for slot in sorted(slots) if (live := self.get(kind, *slot)) is not None]

    def owners(self, kind: Kind) -> Iterator[Owner]:
        """Whose the objects of a kind are."""
        for entry in self._entries[kind].values():
            yield entry.owner

    def count(self, kind: Kind) -> int:
        """How many objects of a kind are known."""
        return len(self._entries[kind])

    def mark(self) -> int:
        """Now, for `remove_unlisted`."""
        return self._count

    def remove_unlisted(self, kind: Kind, is_listed: Callable[[str, str], bool], *, since: int) -> set[Owner]:
        """Remove what a listing that began at a mark did not have. `is_listed` is asked by namespace and uid.

        What was heard of meanwhile stays: it may be younger than the listing. Returns whose objects were removed.
        """
        gone = [
            slot
            for slot, entry in self._entries[kind].items()
            if entry.heard <= since and not is_listed(slot[0], entry.uid)
        ]
        return set().union(*(self._drop(kind, slot) for slot in gone))

    def forget_deleted(self, *, before: int) -> None:
        """Forget what was deleted before a mark."""
        self._deleted = {uid: (version, at) for uid, (version, at) in self._deleted.items() if at > before}

    def _drop(self, kind: Kind, slot: tuple[str, str]) -> set[Owner]:
        entry = self._entries[kind].pop(slot)
        index = kind, entry.owner
        self._slots[index].discard(slot)
        if not self._slots[index]:
            del self._slots[index]
        return self._concerned(kind, slot, entry.owner)

    def _concerned(self, kind: Kind, slot: Slot, owner: Owner) -> set[Owner]:
        """A namespace's labels concern the servers of its users."""
        if kind != NAMESPACE:
            return {owner}
        return {entry.owner for (namespace, _), entry in self._entries[FTPS_USER].items() if namespace == slot[1]}


def _slot(meta: Manifest) -> Slot:
    return meta.get("namespace", ""), meta["name"]


def _owner(kind: Kind, live: Manifest) -> Owner:
    namespace, name = _slot(live["metadata"])
    if kind == FTPS_SERVER:
        return namespace, name
    if kind == FTPS_USER:
        reference = live["spec"]["serverRef"]
        return reference.get("namespace") or namespace, reference["name"]
    return namespace, (live["metadata"].get("labels") or {}).get(SERVER_LABEL, "")


def _is_no_news(kind: Kind, before: bytes, after: bytes) -> bool:
    """Whether it is the same but for what nobody reads. An FtpsUser's status is of no consequence for its server."""
    if before == after or kind != FTPS_USER:
        return before == after
    one, other = (json.loads(zlib.decompress(content)) | {"status": None} for content in (before, after))
    return bool(one == other)


def _is_older(version: str, than: str) -> bool:
    """Whether a version is older, of one and the same object. Of what is no number nobody can tell."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def _trimmed(kind: Kind, live: Manifest) -> Manifest:
    """What is read of an object. Its version is kept beside it."""
    meta: dict[str, Any] = live["metadata"]
    if kind == POD:
        status: dict[str, Any] = live.get("status") or {}
        return {
            "metadata": {key: meta[key] for key in _POD_METADATA if key in meta},
            "status": {key: status[key] for key in _POD_STATUS if key in status},
        }
    if kind == NAMESPACE:
        return {"metadata": {key: meta[key] for key in ("name", "uid", "labels") if key in meta}}
    kept = {key: value for key, value in meta.items() if key not in ("resourceVersion", "managedFields")}
    if _LAST_APPLIED in (kept.get("annotations") or {}):
        kept["annotations"] = {key: value for key, value in kept["annotations"].items() if key != _LAST_APPLIED}
    ours = [entry for entry in meta.get("managedFields") or () if entry["manager"] == FIELD_MANAGER]
    if ours:
        kept["managedFields"] = [{"manager": FIELD_MANAGER, "fieldsV1": entry.get("fieldsV1", {})} for entry in ours]
    rest = {key: value for key, value in live.items() if key not in ("apiVersion", "kind", "metadata")}
    return {"metadata": kept} | rest
