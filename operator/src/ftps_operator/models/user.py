"""FtpsUser: a user of a server, as a resource of its own."""

from typing import Self

from ftps_operator.models.base import Model, NamespaceName, ObjectName, Rule
from ftps_operator.models.server import Metadata
from ftps_operator.models.users import MAX_LOGIN_LENGTH, LoginName, UserFields


class ServerRef(Model):
    """The FtpsServer that the user belongs to."""

    name: ObjectName
    namespace: NamespaceName | None = None
    """The user's own namespace where nothing is said. Another one's server must allow it, by its
    `allowedUserNamespaces`."""


class FtpsUserSpec(UserFields):
    """What the user may do, and where.

    The Secrets that are named are those of the user's own namespace. In a server of another namespace the home
    directory is at or below `/<namespace>`, and `/<namespace>/<name>` where nothing is said.
    """

    server_ref: ServerRef
    name: LoginName | None = None
    """What the client logs in with; the resource's name where nothing is said. Of several who want the same, a user
    listed in the server has it, or else the oldest FtpsUser."""

    rules = UserFields.rules


class FtpsUser(Model):
    """A user as the API server holds it."""

    metadata: Metadata
    spec: FtpsUserSpec

    rules = (
        Rule(
            f"has(self.spec.name) || self.metadata.name.size() <= {MAX_LOGIN_LENGTH}",
            f"spec.name must be set where metadata.name is longer than {MAX_LOGIN_LENGTH} characters",
            lambda self: self.spec.name is not None or len(self.metadata.name) <= MAX_LOGIN_LENGTH,
        ),
    )

    @property
    def login(self) -> str:
        """What the client logs in with."""
        return self.spec.name or self.metadata.name

    @classmethod
    def parse(cls, body: object) -> Self:
        """Read an object. Raises pydantic.ValidationError, whose locations are the field paths."""
        return cls.model_validate(body)
