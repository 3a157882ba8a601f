"""What the API server answers, by what is to be done about it."""


class TransientError(Exception):
    """Trying again later may help."""


class ConflictError(TransientError):
    """The object was changed meanwhile: look again, then try again."""


class InvalidError(Exception):
    """The API server refuses what was sent; the text has its reasons, field by field."""


class ForbiddenError(Exception):
    """The operator lacks a permission."""


class KindNotServedError(Exception):
    """The API server does not know the kind: its CRD is not installed."""
