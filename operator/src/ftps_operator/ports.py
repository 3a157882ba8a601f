"""Which passive port belongs to which shard, and what ports are called."""

from ftps_operator.models.exposure import Passive
from ftps_operator.models.server import FtpsServer

EXPLICIT_NAME = "ftp"
IMPLICIT_NAME = "ftps"
ADMIN_NAME = "admin"


def passive_port_name(port: int) -> str:
    """A port's name. It follows from the number, as server-side apply cannot renumber a named port.

    kubernetes/kubernetes#118725: the merge key is port and protocol, the names must be unique all the same.
    """
    return f"p{port}"


def control_ports(server: FtpsServer) -> list[int]:
    """The Service's ports for control connections."""
    return [mode.port for mode in (server.spec.explicit, server.spec.implicit) if mode.enabled]


def shard_ports(passive: Passive, ordinal: int) -> range:
    """The passive ports of one shard: fixed by the ordinal, so that they never move when others come or go."""
    first = passive.first_port + ordinal * passive.ports_per_replica
    return range(first, first + passive.ports_per_replica)


def halves(passive: Passive, ordinal: int) -> tuple[range, range]:
    """Both halves of a shard's ports. Its pods have one of them, and the pods of its next rollout the other."""
    ports = shard_ports(passive, ordinal)
    middle = ports.start + (len(ports) + 1) // 2
    return range(ports.start, middle), range(middle, ports.stop)


def span(ports: range) -> str:
    """First and last port, as people write a range."""
    return f"{ports[0]}-{ports[-1]}"
