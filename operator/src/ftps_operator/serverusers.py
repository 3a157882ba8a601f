"""The users of one server: who they are, what their Secrets hold, and telling each FtpsUser what came of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ftps_operator.cache import Cache
from ftps_operator.credentials import HASHES_AT_ONCE, Credentials, hash_password, pretend_to_hash, resolve, told
from ftps_operator.errors import TransientError
from ftps_operator.models.server import FtpsServer
from ftps_operator.models.tenancy import NamespacesFrom
from ftps_operator.secretpoll import SecretPoll
from ftps_operator.secretview import SecretView
from ftps_operator.settings import Settings
from ftps_operator.tenants import NamespaceLabels, ObjectId, Problem, UserReason, admit, selector_problem
from ftps_operator.userentry import Entry, read
from ftps_operator.userstatus import Outcome
from ftps_operator.userwriter import UserStatusWriter
from ftps_operator.workqueue import Key


@dataclass(frozen=True, slots=True)
class Found:
    """The users of a server as a reconcile finds them."""

    server: ObjectId
    credentials: Credentials
    entries: tuple[Entry, ...] = ()
    """The FtpsUsers that name the server."""
    problems: Mapping[ObjectId, Problem] = field(default_factory=dict)
    """Why some of those cannot log in."""
    secrets: Mapping[ObjectId, SecretView | None] = field(default_factory=dict, repr=False)
    """The Secrets that are named; None for a missing one."""
    server_problems: tuple[str, ...] = ()
    """What is wrong with users that the server lists, or with whom it allows."""


class ServerUsers:
    """Finds the users of a server, and tells the FtpsUsers among them."""

    def __init__(self, *, settings: Settings, cache: Cache, secrets: SecretPoll[Key], writer: UserStatusWriter) -> None:
        self._settings = settings
        self._cache = cache
        self._secrets = secrets
        self._writer = writer

    async def find(
        self, server: FtpsServer, *, written: SecretView | None, may_hash: bool, pretends: bool = False
    ) -> Found:
        """Look at everybody. `written` is the Secret of hashes as it is; who pretends will not write it.

        Raises TransientError while not all FtpsUsers are known: whoever is not would be put out of a running server.
        """
        key = Key(server.metadata.namespace, server.metadata.name)
        if not self._cache.knows_users(self._namespaces_of_users(server)):
            raise TransientError("the FtpsUsers have not been listed yet")
        entries = self._entries(key)
        labels = self._labels({entry.identity[0] for entry in entries})
        admission = admit(server, (entry.user for entry in entries if entry.user is not None), labels=labels)
        names = {account.secret for account in admission.accounts if account.secret is not None}
        secrets = await self._secrets.read(names)
        credentials = await asyncio.to_thread(
            resolve,
            admission.accounts,
            secrets=secrets,
            previous=written,
            hasher=pretend_to_hash if pretends else hash_password,
            hashes_at_once=len(admission.accounts) if pretends else HASHES_AT_ONCE if may_hash else 0,
        )
        own = [f"user {account.name}: {each.message}" for account, each in credentials.problems if not account.tenant]
        problems = {entry.identity: entry.problem for entry in entries if entry.problem is not None}
        problems |= admission.refused
        problems |= {account.tenant: problem for account, problem in credentials.problems if account.tenant}
        return Found(
            server=key,
            credentials=credentials,
            entries=tuple(entries),
            problems=problems,
            secrets=secrets,
            server_problems=tuple(filter(None, [selector_problem(server, labels), *own])),
        )

    def _entries(self, key: Key) -> list[Entry]:
        return [read(body) for body in self._cache.users(key) if "deletionTimestamp" not in body["metadata"]]

    def _labels(self, namespaces: set[str]) -> NamespaceLabels | None:
        return None if self._settings.namespaces else self._cache.labels(namespaces)

    def _namespaces_of_users(self, server: FtpsServer) -> tuple[str, ...]:
        """Where the server's FtpsUsers may be; empty for all of the cluster."""
        is_alone = server.spec.allowed_user_namespaces.from_ is NamespacesFrom.SAME
        return (server.metadata.namespace,) if self._settings.namespaces and is_alone else self._settings.namespaces

    def tell(self, found: Found, *, written: SecretView | None, waits_for: str) -> int:
        """Tell the FtpsUsers. Returns how many of them cannot log in.

        `written` is the Secret of hashes after it was written, `waits_for` why a user is not in it who should be.
        """
        names = told(written, found.credentials.users)
        not_told = Problem(UserReason.SERVER_NOT_READY, waits_for)
        outcomes: dict[ObjectId, Outcome] = {}
        for entry in found.entries:
            problem = found.problems.get(entry.identity)
            if problem is None and entry.user is not None and entry.user.login not in names:
                problem = not_told
            outcomes[entry.identity] = Outcome.of(entry, found.server, problem)
        self._writer.tell(outcomes)
        return sum(outcome.problem is not None for outcome in outcomes.values())

    def tell_all(self, key: Key, reason: UserReason, message: str) -> None:
        """Tell every FtpsUser that names a server the same, which keeps all of them from logging in."""
        problem, is_guess = Problem(reason, message), not self.looks_after(key)
        self._writer.tell(
            {
                each.identity: Outcome.of(each, key, each.problem or problem, is_guess=is_guess)
                for each in self._entries(key)
            }
        )

    def tell_nothing(self, key: Key) -> None:
        """Leave the FtpsUsers that name a server to the operator of its class."""
        self._writer.forget(key)

    def looks_after(self, key: Key) -> bool:
        """A user may name a server of any namespace; of some, the operator may not read any."""
        return not self._settings.namespaces or key.namespace in self._settings.namespaces
