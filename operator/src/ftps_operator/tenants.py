"""Who is a user of a server: those that it lists, and the FtpsUsers that name it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ftps_operator.models.server import FtpsServer
from ftps_operator.models.tenancy import NamespacesFrom
from ftps_operator.models.tls import ClientAuthMode
from ftps_operator.models.user import FtpsUser
from ftps_operator.models.users import UserFields
from ftps_operator.selectors import selects

ObjectId = tuple[str, str]
"""Namespace and name."""
NamespaceLabels = Mapping[str, Mapping[str, str]]
"""The labels of each namespace."""

SELECTOR_UNANSWERABLE = (
    "allowedUserNamespaces: this operator looks after some namespaces only, and may not read the labels of any:"
    " use from: Same, or All for all of those"
)


class UserReason(StrEnum):
    """Why a user cannot log in; the same word stands in conditions and Events."""

    INVALID_SPEC = "InvalidSpec"
    SERVER_NOT_FOUND = "ServerNotFound"
    SERVER_NOT_READY = "ServerNotReady"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    HOME_DIRECTORY_NOT_ALLOWED = "HomeDirectoryNotAllowed"
    CLIENT_CERTIFICATES_OFF = "ClientCertificatesOff"
    LOGIN_NAME_TAKEN = "LoginNameTaken"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - no secret but a word
    SECRET_UNUSABLE = "SecretUnusable"  # noqa: S105
    LIST_FULL = "ListFull"
    PROGRESSING = "Progressing"


_MEND_THEMSELVES = {
    UserReason.SERVER_NOT_FOUND,  # applied together, the server may come a moment later
    UserReason.SERVER_NOT_READY,
    UserReason.SECRET_NOT_FOUND,
    UserReason.PROGRESSING,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a user cannot log in, and what a person can do."""

    reason: UserReason
    message: str

    @property
    def is_stalled(self) -> bool:
        """Whether nothing changes until somebody changes something that is there already."""
        return self.reason not in _MEND_THEMSELVES


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in, if the Secret is fine."""

    name: str
    fields: UserFields
    namespace: str
    """Where the user's Secret is."""
    home_directory: str
    tenant: ObjectId | None = None
    """The FtpsUser; None for a user that the server lists."""

    @property
    def secret(self) -> ObjectId | None:
        """The Secret that is named: of the user's own namespace, always."""
        reference = self.fields.password_secret_ref or self.fields.password_hash_secret_ref
        return (self.namespace, reference.name) if reference is not None else None


@dataclass(frozen=True, slots=True)
class Admission:
    """Who is taken in, in the order of their rights, and why the others are not."""

    accounts: tuple[Account, ...]
    refused: Mapping[ObjectId, Problem]


def admit(server: FtpsServer, users: Iterable[FtpsUser], *, labels: NamespaceLabels | None) -> Admission:
    """Decide on the FtpsUsers that name the server. `labels` is None where the operator cannot know them.

    A login name belongs to the user whom the server lists, then to the oldest FtpsUser that is allowed at all: who is
    there cannot be put out by somebody who comes later.
    """
    accounts = [_listed(server, user.name, user) for user in server.spec.users]
    owners = dict.fromkeys((account.name for account in accounts), "which lists it in spec.users")
    refused: dict[ObjectId, Problem] = {}
    for user in sorted(users, key=_age):
        identity = (user.metadata.namespace, user.metadata.name)
        problem = _refusal(server, user, labels)
        if problem is None and user.login in owners:
            problem = _taken(server, user, owners[user.login])
        if problem is not None:
            refused[identity] = problem
            continue
        owners[user.login] = f"which has it from the older FtpsUser {'/'.join(identity)}"
        accounts.append(Account(user.login, user.spec, user.metadata.namespace, _home(server, user), identity))
    return Admission(tuple(accounts), refused)


def selector_problem(server: FtpsServer, labels: NamespaceLabels | None) -> str:
    """Why the server's selector of namespaces cannot be answered; empty: it can, or there is none."""
    is_asked = server.spec.allowed_user_namespaces.from_ is NamespacesFrom.SELECTOR
    return SELECTOR_UNANSWERABLE if is_asked and labels is None else ""


def _listed(server: FtpsServer, name: str, fields: UserFields) -> Account:
    return Account(name, fields, server.metadata.namespace, fields.home_directory or f"/{name}")


def _age(user: FtpsUser) -> tuple[str, str, str]:
    """RFC 3339 in UTC sorts as text; it has whole seconds only."""
    return user.metadata.creation_timestamp, user.metadata.namespace, user.metadata.name


def _refusal(server: FtpsServer, user: FtpsUser, labels: NamespaceLabels | None) -> Problem | None:
    if not _is_allowed(server, user.metadata.namespace, labels):
        return Problem(
            UserReason.NAMESPACE_NOT_ALLOWED,
            f"{_called(server)} takes no FtpsUsers of namespace {user.metadata.namespace}: who owns it can allow them"
            " by its spec.allowedUserNamespaces",
        )
    if _is_foreign(server, user) and not _is_below(user.spec.home_directory, user.metadata.namespace):
        return Problem(
            UserReason.HOME_DIRECTORY_NOT_ALLOWED,
            f"homeDirectory must be /{user.metadata.namespace} or below, as {_called(server)} is of another namespace:"
            " change it, or leave it out",
        )
    if user.spec.client_certificate is not None and server.spec.tls.client_auth.mode is ClientAuthMode.NONE:
        return Problem(
            UserReason.CLIENT_CERTIFICATES_OFF,
            f"clientCertificate needs tls.clientAuth.mode Optional or Required of {_called(server)}:"
            " use a password, or have it changed there",
        )
    return None


def _is_allowed(server: FtpsServer, namespace: str, labels: NamespaceLabels | None) -> bool:
    allowed = server.spec.allowed_user_namespaces
    if namespace == server.metadata.namespace or allowed.from_ is NamespacesFrom.ALL:
        return True
    if allowed.selector is None or labels is None or namespace not in labels:
        return False
    return selects(allowed.selector, labels[namespace])


def _is_foreign(server: FtpsServer, user: FtpsUser) -> bool:
    return user.metadata.namespace != server.metadata.namespace


def _is_below(directory: str | None, namespace: str) -> bool:
    """Whether a directory is the namespace's own or in it. It has no `..`: that is a rule of the schema."""
    if directory is None:
        return True
    parts = [part for part in directory.split("/") if part not in ("", ".")]
    return parts[:1] == [namespace]


def _home(server: FtpsServer, user: FtpsUser) -> str:
    # Not /<name> for all: when a tenant has given a login name up, and another one takes it, the files are not theirs.
    default = f"/{user.metadata.namespace}/{user.login}" if _is_foreign(server, user) else f"/{user.login}"
    return user.spec.home_directory or default


def _taken(server: FtpsServer, user: FtpsUser, by: str) -> Problem:
    return Problem(
        UserReason.LOGIN_NAME_TAKEN,
        f"the login name {user.login} is taken in {_called(server)}, {by}: choose another one in spec.name",
    )


def _called(server: FtpsServer) -> str:
    return f"FtpsServer {server.metadata.namespace}/{server.metadata.name}"
