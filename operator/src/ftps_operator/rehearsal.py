"""Finds out what writing would do, without writing: the API server is asked by dry runs."""

from collections.abc import Mapping

from ftps_operator.cache import Cache
from ftps_operator.errors import InvalidError
from ftps_operator.immutable import can_be_made_anew
from ftps_operator.kinds import DEPLOYMENT, Kind, of
from ftps_operator.naming import Manifest
from ftps_operator.observed import Observed
from ftps_operator.planned import Action, PlannedChange, changed_fields


class Rehearsal:
    """In place of the API where a server's objects are written. Notes what would become of each."""

    def __init__(self, cache: Cache, observed: Observed) -> None:
        self._cache = cache
        self._observed = observed
        self.changes: list[PlannedChange] = []

    async def apply(self, manifest: Manifest) -> Manifest:
        """Answers what the object would be."""
        kind, name = of(manifest), manifest["metadata"]["name"]
        live = self._observed.objects.get((kind, name))
        try:
            after = await self._cache.rehearse(manifest)
        except InvalidError as error:
            if live is None or not can_be_made_anew(kind, error):
                raise
            self._note(kind, name, Action.RECREATE, tuple(cause.field for cause in error.causes))
            return live
        if live is None:
            self._note(kind, name, Action.CREATE)
            return after
        if fields := changed_fields(live, after):
            self._note(kind, name, Action.CHANGE, fields)
        # A shard waits until those before it have rolled out: each is looked at as if its turn had come.
        return live if kind == DEPLOYMENT else after

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:  # noqa: ARG002
        """Notes that the object would go."""
        self._note(kind, name, Action.DELETE)

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> None:  # noqa: ARG002
        """Notes that the object would be told."""
        self._note(kind, name, Action.CHANGE, tuple(f"metadata.annotations[{key}]" for key in annotations))

    def _note(self, kind: Kind, name: str, action: Action, fields: tuple[str, ...] = ()) -> None:
        self.changes.append(PlannedChange(kind, name, action, fields))
