"""Who may reach a server's pods."""

from enum import StrEnum

from pydantic import Field

from ftps_operator.models.base import CidrText, Model, Rule
from ftps_operator.models.scheduling import LabelSelector


class IpBlock(Model):
    """As in a NetworkPolicy."""

    cidr: CidrText
    except_: list[CidrText] | None = Field(default=None, alias="except", max_length=64)


class Peer(Model):
    """As in a NetworkPolicy."""

    ip_block: IpBlock | None = None
    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None

    rules = (
        Rule(
            "has(self.ipBlock) != (has(self.namespaceSelector) || has(self.podSelector))",
            "either ipBlock or namespaceSelector and podSelector must be set",
            lambda self: (
                (self.ip_block is not None) != (self.namespace_selector is not None or self.pod_selector is not None)
            ),
        ),
    )


class PortRanges(StrEnum):
    """How the passive range is written."""

    END_PORT = "EndPort"
    EXPAND = "Expand"


class NetworkPolicy(Model):
    """The NetworkPolicy of the server's pods."""

    enabled: bool = True
    from_: list[Peer] = Field(default=[], alias="from", max_length=100)
    """Who may connect; everybody where nothing is said."""
    metrics_from: list[Peer] = Field(default=[], max_length=100)
    """Who may read metrics; nobody where nothing is said."""
    port_ranges: PortRanges = PortRanges.END_PORT
    """Expand lists every passive port, for network plugins that ignore `endPort`."""
