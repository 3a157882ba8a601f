"""The API server, with the watched kinds read from what the watches have told.

An answer to a write is taken in at once: the next look sees it, however late the watch is. What carries no label of
ours is not watched: that somebody else has a name shows when an object of that name cannot be made. From then on, it is
asked of the API server.
"""

import logging
from collections.abc import Collection, Mapping

from ftps_operator.api import ApiClient
from ftps_operator.constants import MANAGED_BY, MANAGED_BY_LABEL, SERVER_LABEL
from ftps_operator.errors import ConflictError, KindNotServedError
from ftps_operator.kinds import (
    CERTIFICATE,
    DEPLOYMENT,
    FTPS_SERVER,
    FTPS_USER,
    NAMESPACE,
    WATCHED_CHILDREN,
    Kind,
    of,
)
from ftps_operator.naming import Manifest
from ftps_operator.store import News, Owner, Store

OURS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"

_ASKED_FOR = frozenset({CERTIFICATE, DEPLOYMENT})
"""What others act on at once: that a name of theirs is taken is known before anything is made."""

logger = logging.getLogger(__name__)


def selector(kind: Kind) -> str | None:
    """The labels of the objects that are watched; None for all of them."""
    return OURS if kind in WATCHED_CHILDREN else None


class Cache:
    """Reads and writes for the reconciles."""

    def __init__(self, api: ApiClient, store: Store, on_news: News = lambda *_: None) -> None:
        self._api = api
        self._store = store
        self._on_news = on_news
        self._listed: set[tuple[Kind, str | None]] = set()
        self._not_served: set[Kind] = set()
        self._in_doubt: set[tuple[Kind, str, str]] = set()
        """Names at which a write has met what is not known."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Read an object; None where there is none."""
        known = self._store.get(kind, namespace, name)
        slot = kind, namespace, name
        is_told = self._is_listed(kind, namespace) and kind not in _ASKED_FOR and slot not in self._in_doubt
        if known is not None or is_told:
            return known
        live = await self._api.get(kind, namespace, name)
        if live is None:
            self._in_doubt.discard(slot)
        else:
            self._take_in(live)
        return live

    async def belonging(self, kind: Kind, owner: Owner) -> list[Manifest]:
        """All objects of a watched kind that carry a server's label. Raises KindNotServedError."""
        if kind in self._not_served:
            raise KindNotServedError(f"{kind.kind} was not served when it was last looked for")
        if self._is_listed(kind, owner[0]):
            return self._store.belonging(kind, owner)
        namespace, server = owner
        pages = self._api.pages(kind, namespace, label_selector=f"{OURS},{SERVER_LABEL}={server}")
        return [item async for page in pages for item in page]

    def known(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """What has been heard of an object; nothing is asked."""
        return self._store.get(kind, namespace, name)

    def users(self, server: Owner) -> list[Manifest]:
        """The FtpsUsers that are known to name a server."""
        return self._store.belonging(FTPS_USER, server)

    def knows_users(self, namespaces: Collection[str]) -> bool:
        """Whether all FtpsUsers of these namespaces are known; where none is given, of all, and their labels."""
        if not namespaces:
            return self._is_listed(FTPS_USER, None) and self._is_listed(NAMESPACE, None)
        return all(self._is_listed(FTPS_USER, namespace) for namespace in namespaces)

    def labels(self, namespaces: Collection[str]) -> dict[str, dict[str, str]]:
        """The labels of namespaces, of those that are known."""
        found = {each: self._store.get(NAMESPACE, "", each) for each in namespaces}
        return {name: live["metadata"].get("labels") or {} for name, live in found.items() if live is not None}

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply."""
        return self._take_in(await self._apply(manifest))

    async def rehearse(self, manifest: Manifest) -> Manifest:
        """What the object would be after a server-side apply."""
        return await self._apply(manifest, dry_run=True)

    async def _apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        try:
            return await self._api.apply(manifest, dry_run=dry_run)
        except ConflictError:
            meta = manifest["metadata"]
            self._in_doubt.add((of(manifest), meta["namespace"], meta["name"]))
            raise

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Server-side apply of the status alone. What else the answer tells is news: the watch will not tell it."""
        live = await self._api.apply_status(manifest)
        slot = of(live), live["metadata"]["namespace"], live["metadata"]["name"]
        before = self._store.get(*slot)
        owners = self._store.observe(slot[0], live)
        if owners and not _is_same_but_status(before, self._store.get(*slot)):
            self._on_news(slot[0], live, owners)
        return live

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of an object that somebody else keeps; nothing happens where it is gone."""
        live = await self._api.annotate(kind, namespace, name, annotations)
        if live is not None:
            self._take_in(live)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete just this object. It is known until the watch says that it is gone."""
        await self._api.delete(kind, namespace, name, uid=uid)

    async def relist(self, kind: Kind, namespace: str | None) -> set[Owner]:
        """List a kind, which makes up for what a watch has missed. Returns whose objects have changed."""
        since = self._store.mark()
        changed: set[Owner] = set()
        seen: set[str] = set()
        try:
            async for page in self._api.pages(kind, namespace, label_selector=selector(kind)):
                for item in page:
                    seen.add(item["metadata"]["uid"])
                    changed |= self._store.observe(kind, item)
        except KindNotServedError:
            self._not_served.add(kind)
            raise
        changed |= self._store.remove_unlisted(
            kind, lambda where, uid: uid in seen or namespace not in (None, where), since=since
        )
        self._not_served.discard(kind)
        self._listed.add((kind, namespace))
        return changed

    def _is_listed(self, kind: Kind, namespace: str | None) -> bool:
        return (kind, None) in self._listed or (kind, namespace) in self._listed

    def _take_in(self, live: Manifest) -> Manifest:
        kind = of(live)
        labels = live["metadata"].get("labels") or {}
        if kind == FTPS_SERVER or (kind in WATCHED_CHILDREN and labels.get(MANAGED_BY_LABEL) == MANAGED_BY):
            self._store.observe(kind, live)
            self._in_doubt.discard((kind, live["metadata"]["namespace"], live["metadata"]["name"]))
        return live


def _is_same_but_status(one: Manifest | None, other: Manifest | None) -> bool:
    def rest(live: Manifest) -> Manifest:
        meta = {
            key: value for key, value in live["metadata"].items() if key not in ("resourceVersion", "managedFields")
        }
        return live | {"metadata": meta, "status": None}

    return one is other or (one is not None and other is not None and rest(one) == rest(other))
