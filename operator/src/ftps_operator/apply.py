"""Writes what a server should consist of and does not, and removes what it should not."""

from collections.abc import Mapping
from typing import Protocol

from ftps_operator.applied import is_applied, mark_of, marked, only_where_absent
from ftps_operator.desired.plan import Inputs, steps
from ftps_operator.desired.rollout import surplus_shard
from ftps_operator.errors import ConflictError, InvalidError
from ftps_operator.immutable import can_be_made_anew
from ftps_operator.kinds import DEPLOYMENT, PERSISTENT_VOLUME_CLAIM, SECRET, SERVICE_ACCOUNT, Kind, of
from ftps_operator.metrics import Metrics
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, is_ours, slots, tls_name
from ftps_operator.observed import Observed


class RejectedError(Exception):
    """The API server refuses an object, and will until something changes."""

    def __init__(self, manifest: Manifest, error: InvalidError) -> None:
        super().__init__(str(error))
        self.manifest = manifest
        self.error = error


class Writer(Protocol):
    """What writes, or finds out what writing would do. The methods are ApiClient's."""

    async def apply(self, manifest: Manifest) -> Manifest: ...

    async def annotate(self, kind: Kind, namespace: str, name: str, annotations: Mapping[str, str]) -> object: ...

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None: ...


async def apply_all(
    writer: Writer, server: FtpsServer, observed: Observed, inputs: Inputs, *, settled: bool, metrics: Metrics
) -> Observed:
    """Write every object that is not as it should be, in the order of the steps, then prune.

    `settled`: everything was there once, so what is missing was taken away. Returns what is known afterwards. Raises
    RejectedError, and ConflictError where an object is being made anew, or was not known to be there.
    """
    namespace = server.metadata.namespace
    kept: set[tuple[Kind, str]] = set()
    for step in steps(server):
        manifest = step(server, observed, inputs)
        if manifest is None:
            continue
        slot = of(manifest), manifest["metadata"]["name"]
        kept.add(slot)
        manifest = marked(manifest)
        live = observed.objects.get(slot)
        if live is not None and is_applied(manifest, live):
            continue
        try:
            observed = observed.with_object(await writer.apply(manifest if live else only_where_absent(manifest)))
        except InvalidError as error:
            if live is None or not can_be_made_anew(slot[0], error):
                raise RejectedError(manifest, error) from error
            await writer.delete(slot[0], namespace, slot[1], uid=live["metadata"]["uid"])
            # Not at once: what takes its place follows from which pods end with it.
            raise ConflictError(f"{slot[0].kind} {slot[1]} is made anew: {error}") from error
        metrics.applies.labels(slot[0].kind).inc()
        if settled if live is None else mark_of(live) == mark_of(manifest):
            metrics.drift.labels(slot[0].kind).inc()
    for kind, name in leftovers(server, kept, observed):
        await writer.delete(kind, namespace, name, uid=observed.objects[kind, name]["metadata"]["uid"])
        observed = observed.without(kind, name)
    return observed


def leftovers(server: FtpsServer, keep: set[tuple[Kind, str]], observed: Observed) -> list[tuple[Kind, str]]:
    """The slots to clear."""
    return [
        (kind, name)
        for kind, name in slots(server)
        if (kind, name) not in keep
        and (live := observed.objects.get((kind, name))) is not None
        and is_ours(live, server)
        and not _must_stay(server, observed, kind, name)
    ]


def _must_stay(server: FtpsServer, observed: Observed, kind: Kind, name: str) -> bool:
    if kind == DEPLOYMENT:
        return name != surplus_shard(server, observed)
    if kind == PERSISTENT_VOLUME_CLAIM:
        return True  # its files go with the server, if at all
    tls = server.spec.tls
    if (kind, name) in ((SECRET, tls.secret_name), (SERVICE_ACCOUNT, server.spec.service_account_name)):
        return True  # the spec names what was ours as somebody's own
    # cert-manager writes this one.
    return kind == SECRET and name == tls_name(server.metadata.name) and tls.cert_manager is not None
