"""What the API server answers, by what is to be done about it."""

from dataclasses import dataclass


class ApiError(Exception):
    """A request that has not done what it was for."""


class TransientError(ApiError):
    """Trying again later may help."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """After how many seconds the server wants to be asked again, where it says so."""


class ConflictError(TransientError):
    """The object was changed or removed meanwhile: look again, then try again."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with a manifest."""

    field: str
    message: str


class InvalidError(ApiError):
    """The API server refuses what was sent; the text has its reasons, field by field."""

    def __init__(self, message: str, *, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(message)
        self.causes = causes


class DeniedError(InvalidError):
    """A quota, a policy or a webhook refuses what was sent. The operator's own permissions suffice."""


class ForbiddenError(ApiError):
    """The operator lacks a permission."""


class KindNotServedError(ApiError):
    """The API server does not know the kind: its CRD is not installed."""
