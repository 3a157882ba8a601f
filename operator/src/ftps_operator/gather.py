"""Reads from the cluster everything that a reconcile of one server looks at."""

import asyncio

from ftps_operator.api import ApiClient
from ftps_operator.constants import SERVER_LABEL
from ftps_operator.desired.deployment import tls_secret_name
from ftps_operator.errors import KindNotServedError
from ftps_operator.kinds import CERTIFICATE, DEPLOYMENT, POD, SECRET, Kind
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, shard_name, slots, tls_name, users_name
from ftps_operator.observed import Observed
from ftps_operator.secretview import SecretView


async def gather(api: ApiClient, server: FtpsServer) -> Observed:
    """Read every slot by name, the named Secrets and the pods, side by side."""
    namespace = server.metadata.namespace
    selector = f"{SERVER_LABEL}={server.metadata.name}"
    wanted_shards = {shard_name(server.metadata.name, ordinal) for ordinal in range(server.spec.replicas)}
    # By name, as somebody else's object may have it. Shards that are not wanted are ours, if any: the label finds them.
    taken = [
        (kind, name)
        for kind, name in slots(server)
        if kind != CERTIFICATE and (kind != DEPLOYMENT or name in wanted_shards)
    ]
    wanted = {*taken, *((SECRET, name) for name in named_secrets(server))}
    answers, certificate, shards, pods = await asyncio.gather(
        asyncio.gather(*(_get(api, slot, namespace) for slot in sorted(wanted, key=str))),
        _get_certificate(api, server),
        api.list(DEPLOYMENT, namespace, label_selector=selector),
        api.list(POD, namespace, label_selector=selector),
    )
    found = dict(answers)
    objects = {(DEPLOYMENT, shard["metadata"]["name"]): shard for shard in shards}
    objects |= {slot: live for slot in taken if (live := found[slot]) is not None}
    if certificate:
        objects[CERTIFICATE, tls_name(server.metadata.name)] = certificate
    return Observed(
        objects=objects,
        secrets={name: SecretView.of(live) if live else None for (kind, name), live in answers if kind == SECRET},
        pods=tuple(pods),
        cert_manager_served=certificate is not NOT_SERVED,
    )


Slot = tuple[Kind, str]
NOT_SERVED: Manifest = {}


async def _get(api: ApiClient, slot: Slot, namespace: str) -> tuple[Slot, Manifest | None]:
    return slot, await api.get(slot[0], namespace, slot[1])


async def _get_certificate(api: ApiClient, server: FtpsServer) -> Manifest | None:
    try:
        return await api.get(CERTIFICATE, server.metadata.namespace, tls_name(server.metadata.name))
    except KindNotServedError:
        return NOT_SERVED


def named_secrets(server: FtpsServer) -> set[str]:
    """Every Secret that the server's files are made of."""
    names = {tls_secret_name(server), tls_name(server.metadata.name), users_name(server.metadata.name)}
    if (authorities := server.spec.tls.client_auth.authorities) is not None:
        names.add(authorities)
    for user in server.spec.users:
        reference = user.password_secret_ref or user.password_hash_secret_ref
        if reference is not None:
            names.add(reference.name)
    return names
