"""Passwords become hashes: no plain password goes anywhere but through here."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from argon2 import PasswordHasher
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from ftps_operator.desired.config import build_bandwidth
from ftps_operator.desired.secrets import SOURCES_KEY
from ftps_operator.models.quantity import whole
from ftps_operator.models.users import Quota as WantedQuota
from ftps_operator.secretview import SecretView
from ftps_operator.tenants import Account, ObjectId, Problem, UserReason
from ftps_server.config import (
    USERS_FILE,
    DataSessionReuse,
    DirectoryPermissions,
    Permissions,
    Quota,
    UserConfig,
    UsersConfig,
)

# OWASP's second choice for argon2id: 19 MiB, so that a small pod can verify several at a time.
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
hash_password = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash


HASHES_AT_ONCE = 50
"""How many passwords are hashed in one go, about a second's work: who changes a password does not wait for a thousand
others."""
MAX_BYTES = 1000 * 1024
"""What all users may take in their Secret, which the API server bounds to 1 MiB: some 3,000 users with a hash."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The users who can log in, what each hash was made of, and why the others cannot."""

    users: UsersConfig
    sources: dict[str, str] = field(repr=False)
    problems: tuple[tuple[Account, Problem], ...]

    @property
    def is_pending(self) -> bool:
        """Whether passwords are still to be hashed."""
        return any(problem.reason is UserReason.PROGRESSING for _, problem in self.problems)


def resolve(
    accounts: Iterable[Account],
    *,
    secrets: Mapping[ObjectId, SecretView | None],
    previous: SecretView | None,
    hasher: Callable[[bytes], str] = hash_password,
    hashes_at_once: int = HASHES_AT_ONCE,
) -> Credentials:
    """Make the list of users. `secrets` holds the Secrets by namespace and name, None for a missing one.

    A hash is salted: made anew at every turn it would change the Secret, and every pod. So the hash of `previous`, the
    Secret as it was written last, stands as long as it was made of the same version of the same Secret.
    Takes some 20 ms for each new password: not for an event loop. Where there are too many for one go, an old password
    counts until its turn comes.
    """
    admitted, problems = _admit(accounts, secrets)
    book = _Book(previous)
    book.hash_next((password for _, _, password in admitted if password is not None), hasher, at_most=hashes_at_once)
    entries: list[UserConfig] = []
    sources: dict[str, str] = {}
    for account, entry, password in admitted:
        if password is None:
            entries.append(entry)
            continue
        hashed = book.look_up(password)
        if hashed is None or hashed.source != password.source:
            problems.append((account, _PENDING))
        if hashed is not None:
            entries.append(entry.model_copy(update={"password_hash": hashed.text}))
            sources[account.name] = hashed.source
    return Credentials(UsersConfig(users=tuple(entries)), sources, tuple(problems))


def told(written: SecretView | None, users: UsersConfig) -> set[str]:
    """The names of the users who stand in the Secret, as it was written last, just as they should."""
    found = _stored_users(written)
    return {user.name for user in users.users if found.get(user.name) == user}


_PLACEHOLDER = "$argon2id$".ljust(97, "x")
"""As long as a hash."""


def pretend_to_hash(_: bytes) -> str:
    """For a list of users that is not to be written."""
    return _PLACEHOLDER


_PENDING = Problem(UserReason.PROGRESSING, "the password has not been hashed yet")
_LIST_FULL = Problem(
    UserReason.LIST_FULL,
    f"the server's list of users is full, with {MAX_BYTES // 1024} KiB: remove users, or rules for directories"
    " and networks of users",
)


class _UnusableError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Password:
    """What a user's Secret holds, and which version of it that is."""

    name: str
    source: str
    """The Secret's uid and resource version, and the key."""
    text: bytes = field(repr=False)
    is_hash: bool = False


@dataclass(frozen=True, slots=True)
class _Hash:
    text: str = field(repr=False)
    source: str


_Admitted = list[tuple[Account, UserConfig, _Password | None]]


def _admit(
    accounts: Iterable[Account], secrets: Mapping[ObjectId, SecretView | None]
) -> tuple[_Admitted, list[tuple[Account, Problem]]]:
    """Find out who can log in as soon as there is a hash: whoever cannot must not take up the turns of others."""
    admitted: _Admitted = []
    problems: list[tuple[Account, Problem]] = []
    room = MAX_BYTES
    for account in accounts:
        try:
            password = _read(account, secrets)
            entry = _entry(account, password)
        except _UnusableError as error:
            problems.append((account, error.problem))
            continue
        size = _size(entry, password)
        if size > room:
            problems.append((account, _LIST_FULL))
            continue
        room -= size
        admitted.append((account, entry, password))
    return admitted, problems


class _Book:
    """The hashes that were written last, and those that are made now."""

    def __init__(self, previous: SecretView | None) -> None:
        self._by_name = _previous_hashes(previous)

    def hash_next(self, passwords: Iterable[_Password], hasher: Callable[[bytes], str], *, at_most: int) -> None:
        """Hash some of the passwords that have no hash yet, changed ones before new ones."""
        waiting = [each for each in passwords if not each.is_hash and not self._has(each)]
        waiting.sort(key=lambda each: each.name not in self._by_name)
        for each in waiting[:at_most]:
            self._by_name[each.name] = _Hash(hasher(each.text), each.source)

    def _has(self, password: _Password) -> bool:
        known = self._by_name.get(password.name)
        return known is not None and known.source == password.source

    def look_up(self, password: _Password) -> _Hash | None:
        """The hash of a password, or of the one that its Secret had before."""
        if password.is_hash:
            return _Hash(_text(password), password.source)
        known = self._by_name.get(password.name)
        return known if known is not None and _place(known.source) == _place(password.source) else None


def _text(password: _Password) -> str:
    return password.text.decode(errors="replace").strip()


def _place(source: str) -> tuple[str, str]:
    """The Secret's uid and the key: the same for every version."""
    return source.partition("/")[0], source.rpartition("/")[2]


def _read(account: Account, secrets: Mapping[ObjectId, SecretView | None]) -> _Password | None:
    if account.fields.client_certificate is not None:
        return None
    reference = account.fields.password_secret_ref or account.fields.password_hash_secret_ref
    if reference is None or account.secret is None:
        raise _UnusableError(Problem(UserReason.INVALID_SPEC, "has no password"))  # the schema refuses it
    secret = secrets.get(account.secret)
    if secret is None:
        message = f"Secret {reference.name} is missing: make it, with the key {reference.key}"
        raise _UnusableError(Problem(UserReason.SECRET_NOT_FOUND, message))
    text = secret.data.get(reference.key)
    if not text:
        message = f"Secret {reference.name} has no key {reference.key}: add it"
        raise _UnusableError(Problem(UserReason.SECRET_UNUSABLE, message))
    is_hash = account.fields.password_hash_secret_ref is not None
    return _Password(account.name, f"{secret.version}/{reference.key}", text, is_hash)


def _size(entry: UserConfig, password: _Password | None) -> int:
    """The bytes that a user takes in the Secret, separators included."""
    text = entry.model_dump_json(by_alias=True, exclude_none=True)
    return len(text.encode()) + (len(entry.name) + len(password.source) + 8 if password else 0) + 1


def _entry(account: Account, password: _Password | None) -> UserConfig:
    """The user, with a placeholder where there is a password to be hashed."""
    fields = account.fields
    certificate, reuse = fields.client_certificate, fields.data_session_reuse
    try:
        return UserConfig(
            name=account.name,
            password_hash=(_text(password) if password.is_hash else _PLACEHOLDER) if password else None,
            client_certificate=certificate.subject if certificate else None,
            home_directory=account.home_directory,
            permissions=Permissions(fields.permissions.preset.value),
            directories=tuple(
                DirectoryPermissions(path=each.path, permissions=Permissions(each.preset.value))
                for each in fields.permissions.directories
            ),
            quota=_quota(fields.quota),
            bandwidth=build_bandwidth(fields.bandwidth),
            max_sessions=fields.max_sessions,
            allowed_cidrs=tuple(map(ip_network, fields.allowed_cidrs)) if fields.allowed_cidrs else None,
            data_session_reuse=DataSessionReuse(reuse.value) if reuse else None,
        )
    except ValidationError as error:
        # Only the field's path and the rule: the input is a secret.
        first = error.errors(include_url=False, include_input=False)[0]
        reason = UserReason.SECRET_UNUSABLE if first["loc"] == ("password_hash",) else UserReason.INVALID_SPEC
        raise _UnusableError(Problem(reason, f"{to_camel('.'.join(map(str, first['loc'])))} {first['msg']}")) from None


def _quota(wanted: WantedQuota | None) -> Quota:
    if wanted is None:
        return Quota()
    return Quota(bytes=None if wanted.bytes is None else whole(wanted.bytes), files=wanted.files)


def _previous_hashes(previous: SecretView | None) -> dict[str, _Hash]:
    """The hashes by user. Whatever is not as we wrote it counts as never written."""
    try:
        sources: dict[str, str] = json.loads(previous.data.get(SOURCES_KEY, b"{}")) if previous else {}
        return {
            name: _Hash(user.password_hash, sources[name])
            for name, user in _stored_users(previous).items()
            if name in sources and user.password_hash is not None
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def _stored_users(secret: SecretView | None) -> dict[str, UserConfig]:
    if secret is None:
        return {}
    try:
        stored = UsersConfig.model_validate_json(secret.data.get(USERS_FILE.name, b""))
    except ValidationError:
        return {}
    return {user.name: user for user in stored.users}
