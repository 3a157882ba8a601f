"""FtpsUser: a user of a server, as a resource of its own."""

from ftps_operator.models.base import Model, ObjectName, Rule
from ftps_operator.models.users import UserFields


class ServerRef(Model):
    """The FtpsServer that the user belongs to."""

    name: ObjectName
    namespace: str | None = None
    """The user's own namespace where nothing is said."""


class FtpsUserSpec(UserFields):
    """What the user may do, and where."""

    server_ref: ServerRef
    name: str | None = None
    """What the client logs in with; the resource's name where nothing is said."""

    rules = (
        *UserFields.rules,
        Rule(
            "false",
            "FtpsUser is not supported yet; list the user in spec.users of its FtpsServer",
            lambda _: False,
        ),
    )
