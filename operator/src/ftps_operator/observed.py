"""What the cluster holds for one server, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from ftps_operator.kinds import CONFIG_MAP, DEPLOYMENT, SERVICE, Kind, of
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, config_name, is_ours, shard_name
from ftps_operator.secretview import SecretView


@dataclass(frozen=True, slots=True)
class Observed:
    """What was gathered. `objects` has an entry for every slot that is taken, by us or by somebody else."""

    objects: Mapping[tuple[Kind, str], Manifest] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, SecretView | None] = field(default_factory=dict)
    """Every Secret that is ours, or that the server names for itself; None for a missing one."""
    pods: tuple[Manifest, ...] = field(default=(), repr=False)
    cert_manager_served: bool = True
    certificate_request: Manifest | None = field(default=None, repr=False)
    """What cert-manager is about to make of a Certificate that it has not issued yet."""

    def own(self, server: FtpsServer, kind: Kind, name: str) -> Manifest | None:
        """The object in a slot, if it is this server's."""
        live = self.objects.get((kind, name))
        return live if live is not None and is_ours(live, server) else None

    def with_object(self, manifest: Manifest) -> Self:
        """The same after an object was written; `manifest` is what the API server answered."""
        slot = (of(manifest), manifest["metadata"]["name"])
        secrets = dict(self.secrets)
        if slot[0].kind == "Secret":
            secrets[slot[1]] = SecretView.of(manifest)
        return replace(self, objects={**self.objects, slot: manifest}, secrets=secrets)

    def without(self, kind: Kind, name: str) -> Self:
        """The same after an object was deleted."""
        return replace(self, objects={slot: live for slot, live in self.objects.items() if slot != (kind, name)})

    def service(self, server: FtpsServer) -> Manifest | None:
        """The server's Service."""
        return self.own(server, SERVICE, server.metadata.name)

    def deployment(self, server: FtpsServer, ordinal: int) -> Manifest | None:
        """The Deployment of one shard."""
        return self.own(server, DEPLOYMENT, shard_name(server.metadata.name, ordinal))

    def config_map(self, server: FtpsServer) -> Manifest | None:
        """The ConfigMap with the server's configuration."""
        return self.own(server, CONFIG_MAP, config_name(server.metadata.name))
