"""One FtpsUser, as far as it can be read, and which Secrets users name."""

from dataclasses import dataclass

from pydantic import ValidationError

from ftps_operator.kinds import FTPS_SERVER, FTPS_USER, Kind
from ftps_operator.models.base import describe
from ftps_operator.models.user import FtpsUser
from ftps_operator.naming import Manifest
from ftps_operator.tenants import ObjectId, Problem, UserReason


@dataclass(frozen=True, slots=True)
class Entry:
    """An FtpsUser, and what of it could be read."""

    body: Manifest
    user: FtpsUser | None
    problem: Problem | None = None
    """Why it cannot be read."""

    @property
    def identity(self) -> ObjectId:
        """Namespace and name."""
        return self.body["metadata"]["namespace"], self.body["metadata"]["name"]


def read(body: Manifest) -> Entry:
    """Read an FtpsUser as the API server holds it."""
    try:
        return Entry(body, FtpsUser.parse(body))
    except ValidationError as error:
        return Entry(body, None, Problem(UserReason.INVALID_SPEC, describe(error)))


def secrets_of_users(kind: Kind, live: Manifest) -> set[ObjectId]:
    """The Secrets of the user that an object is, or of the users that it lists."""
    users = {FTPS_USER: [live.get("spec") or {}], FTPS_SERVER: (live.get("spec") or {}).get("users") or []}
    references = (user.get("passwordSecretRef") or user.get("passwordHashSecretRef") for user in users.get(kind, []))
    return {(live["metadata"]["namespace"], reference["name"]) for reference in references if reference}
