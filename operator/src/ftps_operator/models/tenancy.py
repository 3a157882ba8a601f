"""Whose FtpsUsers a server takes in."""

from enum import StrEnum

from pydantic import Field

from ftps_operator.models.base import Model, Rule
from ftps_operator.models.scheduling import LabelSelector


class NamespacesFrom(StrEnum):
    """Same: the server's own namespace. All: every namespace that the operator looks after. Selector: by labels."""

    SAME = "Same"
    ALL = "All"
    SELECTOR = "Selector"


class AllowedUserNamespaces(Model):
    """The namespaces whose FtpsUsers may belong to the server. This is the boundary of trust.

    Whoever may write FtpsUsers in the server's namespace has the rights of its owner: any home directory, any login
    name that is free. Those of another namespace are confined to home directories at or below `/<namespace>`; they
    can take any login name that nobody has, and use the server's space and sessions. A user's Secret is read from the
    user's own namespace, always.
    """

    from_: NamespacesFrom = Field(default=NamespacesFrom.SAME, alias="from")
    selector: LabelSelector | None = None
    """Namespaces by their labels, in addition to the server's own. Needs an operator that looks after the whole
    cluster: one that is installed for some namespaces may not read namespaces."""

    rules = (
        Rule(
            "(self.from == 'Selector') == has(self.selector)",
            "selector must be set with from: Selector, and with nothing else",
            lambda self: (self.from_ is NamespacesFrom.SELECTOR) == (self.selector is not None),
        ),
    )
