"""Gathers everything that a reconcile of one server looks at."""

import asyncio

from ftps_operator.cache import Cache
from ftps_operator.errors import KindNotServedError
from ftps_operator.issuance import is_issued, request_name
from ftps_operator.kinds import CERTIFICATE, CERTIFICATE_REQUEST, POD, SECRET, WATCHED_CHILDREN, Kind
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, claimed_slots, tls_name, users_name
from ftps_operator.observed import Observed
from ftps_operator.secretview import SecretView

Slot = tuple[Kind, str]


async def gather(cache: Cache, server: FtpsServer) -> Observed:
    """Look at what carries the server's label, at every name that it needs, and at the Secrets that it names."""
    owner = server.metadata.namespace, server.metadata.name
    known = {kind: await _belonging(cache, kind, owner) for kind in WATCHED_CHILDREN}
    objects = {(kind, live["metadata"]["name"]): live for kind, found in known.items() for live in found if kind != POD}
    # By name, as somebody else's object may have it, or cert-manager's Secret.
    unknown = {slot for slot in claimed_slots(server) if slot not in objects}
    unknown |= {(SECRET, name) for name in named_secrets(server) | own_secrets(server)}
    answers = await asyncio.gather(*(_get(cache, slot, owner[0]) for slot in sorted(unknown, key=str)))
    objects |= {slot: live for slot, live in answers if live}
    return Observed(
        objects=objects,
        secrets={name: SecretView.of(live) if live else None for (kind, name), live in answers if kind == SECRET},
        pods=tuple(known[POD]),
        cert_manager_served=all(live is not NOT_SERVED for _, live in answers),
        certificate_request=await _get_request(cache, objects.get((CERTIFICATE, tls_name(server.metadata.name)))),
    )


NOT_SERVED: Manifest = {}


async def _get_request(cache: Cache, certificate: Manifest | None) -> Manifest | None:
    if certificate is None or is_issued(certificate):
        return None
    return await cache.get(CERTIFICATE_REQUEST, certificate["metadata"]["namespace"], request_name(certificate))


async def _belonging(cache: Cache, kind: Kind, owner: tuple[str, str]) -> list[Manifest]:
    try:
        return await cache.belonging(kind, owner)
    except KindNotServedError:
        if kind != CERTIFICATE:
            raise
        return []


async def _get(cache: Cache, slot: Slot, namespace: str) -> tuple[Slot, Manifest | None]:
    try:
        return slot, await cache.get(slot[0], namespace, slot[1])
    except KindNotServedError:
        if slot[0] != CERTIFICATE:
            raise
        return slot, NOT_SERVED


def own_secrets(server: FtpsServer) -> set[str]:
    """The Secrets that are ours or, with the certificate, cert-manager's."""
    return {tls_name(server.metadata.name), users_name(server.metadata.name)}


def named_secrets(server: FtpsServer) -> set[str]:
    """The Secrets that somebody else keeps for the server itself; those of its users are the SecretPoll's."""
    tls = server.spec.tls
    return {name for name in (tls.secret_name, tls.client_auth.authorities) if name is not None}
