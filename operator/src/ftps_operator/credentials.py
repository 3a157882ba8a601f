"""Passwords become hashes: no plain password goes anywhere but through here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from argon2 import PasswordHasher
from pydantic import ValidationError

from ftps_operator.desired.config import build_bandwidth
from ftps_operator.desired.secrets import SOURCES_KEY
from ftps_operator.models.quantity import whole
from ftps_operator.models.users import Quota as WantedQuota
from ftps_operator.models.users import User
from ftps_operator.secretview import SecretView
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


@dataclass(frozen=True, slots=True)
class Credentials:
    """The users who can log in, what each hash was made of, and why the others cannot."""

    users: UsersConfig
    sources: dict[str, str] = field(repr=False)
    problems: tuple[str, ...]


def resolve(
    users: list[User],
    *,
    secrets: Mapping[str, SecretView | None],
    previous: SecretView | None,
    hasher: Callable[[bytes], str] = hash_password,
) -> Credentials:
    """Make the list of users. `secrets` holds the Secrets by name, None for a missing one.

    A hash is salted: made anew at every turn it would change the Secret, and every pod. So the hash of `previous`, the
    Secret as it was written last, stands as long as it was made of the same version of the same Secret.
    Takes some 20 ms for each new password: not for an event loop.
    """
    known = _previous_hashes(previous)
    entries: list[UserConfig] = []
    sources: dict[str, str] = {}
    problems: list[str] = []
    for user in users:
        try:
            if user.client_certificate is not None:
                entries.append(_entry(user, None))
                continue
            source, text = _secret_text(user, secrets)
            password_hash = (
                text.decode(errors="replace") if user.password_hash_secret_ref else known.get((user.name, source))
            )
            entries.append(_entry(user, password_hash or hasher(text)))
            sources[user.name] = source
        except _UnusableError as error:
            problems.append(f"user {user.name}: {error}")
    return Credentials(UsersConfig(users=tuple(entries)), sources, tuple(problems))


class _UnusableError(Exception):
    pass


def _secret_text(user: User, secrets: Mapping[str, SecretView | None]) -> tuple[str, bytes]:
    """What the user's Secret holds, and which version of it that is."""
    reference = user.password_secret_ref or user.password_hash_secret_ref
    if reference is None:
        raise _UnusableError("has no password")  # the schema refuses it
    secret = secrets.get(reference.name)
    if secret is None:
        raise _UnusableError(f"Secret {reference.name} is missing")
    text = secret.data.get(reference.key)
    if not text:
        raise _UnusableError(f"Secret {reference.name} has no key {reference.key}")
    return f"{secret.version}/{reference.key}", text


def _entry(user: User, password_hash: str | None) -> UserConfig:
    certificate, reuse = user.client_certificate, user.data_session_reuse
    try:
        return UserConfig(
            name=user.name,
            password_hash=password_hash.strip() if password_hash else None,
            client_certificate=certificate.subject if certificate else None,
            home_directory=user.home_directory or f"/{user.name}",
            permissions=Permissions(user.permissions.preset.value),
            directories=tuple(
                DirectoryPermissions(path=each.path, permissions=Permissions(each.preset.value))
                for each in user.permissions.directories
            ),
            quota=_quota(user.quota),
            bandwidth=build_bandwidth(user.bandwidth),
            max_sessions=user.max_sessions,
            allowed_cidrs=tuple(map(ip_network, user.allowed_cidrs)) if user.allowed_cidrs else None,
            data_session_reuse=DataSessionReuse(reuse.value) if reuse else None,
        )
    except ValidationError as error:
        # Only the field's path and the rule: the input is a secret.
        first = error.errors(include_url=False, include_input=False)[0]
        raise _UnusableError(f"{'.'.join(map(str, first['loc']))} {first['msg']}") from None


def _quota(wanted: WantedQuota | None) -> Quota:
    if wanted is None:
        return Quota()
    return Quota(bytes=None if wanted.bytes is None else whole(wanted.bytes), files=wanted.files)


def _previous_hashes(previous: SecretView | None) -> dict[tuple[str, str], str]:
    """The hash by user and source. Whatever is not as we wrote it counts as never written."""
    if previous is None:
        return {}
    try:
        users = UsersConfig.model_validate_json(previous.data.get(USERS_FILE.name, b""))
        sources: dict[str, str] = json.loads(previous.data.get(SOURCES_KEY, b"{}"))
        return {
            (user.name, sources[user.name]): user.password_hash
            for user in users.users
            if user.name in sources and user.password_hash is not None
        }
    except (ValidationError, ValueError, TypeError, AttributeError):
        return {}
