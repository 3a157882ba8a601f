from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from itertools import count
from typing import Any

import pytest

from ftps_operator.credentials import _PLACEHOLDER, MAX_BYTES, Credentials, hash_password, resolve, told
from ftps_operator.desired.secrets import build_users_secret
from ftps_operator.models.users import User
from ftps_operator.secretview import SecretView
from ftps_operator.tenants import Account, UserReason, admit
from ftps_server.config import Bandwidth, DataSessionReuse, DirectoryPermissions, Permissions, Quota
from support.samples import everything, ftps_user, owned, server

ALICE = User.model_validate({"name": "alice", "passwordSecretRef": {"name": "alice"}})
BOB = User.model_validate({"name": "bob", "passwordHashSecretRef": {"name": "bob"}})


def secret(name: str, version: str = "v1", **data: str) -> SecretView:
    return SecretView(name, version, version, f"uid-{name}", {key: text.encode() for key, text in data.items()})


def solve(
    users: list[User], *, secrets: Mapping[str, SecretView | None], previous: SecretView | None, **more: Any
) -> Credentials:
    """Of users that a server lists."""
    accounts = [Account(user.name, user, "files", user.home_directory or f"/{user.name}") for user in users]
    named = {("files", name): found for name, found in secrets.items()}
    return resolve(accounts, secrets=named, previous=previous, **more)


def messages(found: Credentials) -> list[tuple[str, str]]:
    return [(account.name, problem.message) for account, problem in found.problems]


def hasher():
    """Salted as the real one is, so that no two hashes are equal; and quicker."""
    numbers = count()
    return lambda password: f"$argon2id$v=19$m=8,t=1,p=1$salt{next(numbers)}${password.hex()}"


def stored(credentials: Credentials) -> SecretView:
    made = server()
    return SecretView.of(owned(made, build_users_secret(made, credentials.users, credentials.sources)))


def test_a_password_becomes_a_hash_that_verifies():
    from argon2 import PasswordHasher

    found = solve([ALICE], secrets={"alice": secret("alice", password="pw")}, previous=None)
    assert PasswordHasher().verify(found.users.users[0].password_hash, "pw")


def test_a_hash_stands_as_long_as_the_secret_does():
    secrets, make = {"alice": secret("alice", password="pw")}, hasher()
    first = solve([ALICE], secrets=secrets, previous=None, hasher=make)
    again = solve([ALICE], secrets=secrets, previous=stored(first), hasher=make)
    assert again == first


def test_a_changed_secret_makes_a_new_hash():
    make = hasher()
    first = solve([ALICE], secrets={"alice": secret("alice", password="pw")}, previous=None, hasher=make)
    changed = {"alice": secret("alice", "v2", password="new")}
    again = solve([ALICE], secrets=changed, previous=stored(first), hasher=make)
    assert again.users != first.users


def test_a_spoilt_secret_of_hashes_is_made_anew():
    secrets = {"alice": secret("alice", password="pw")}
    spoilt = SecretView("x", "v", "v", "u", {"users.json": b"{}", "sources.json": b"[]"})
    assert solve([ALICE], secrets=secrets, previous=spoilt, hasher=hasher()).users.users


def test_a_hash_is_taken_as_it_is():
    given = hash_password("pw")
    found = solve([BOB], secrets={"bob": secret("bob", passwordHash=f"{given}\n")}, previous=None)
    assert found.users.users[0].password_hash == given


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "Secret alice is missing: make it, with the key password"),
        ({"alice": None}, "Secret alice is missing: make it, with the key password"),
        ({"alice": secret("alice", other="x")}, "Secret alice has no key password: add it"),
    ],
)
def test_one_user_s_trouble_is_told_and_leaves_the_others_alone(secrets: dict[str, SecretView | None], words: str):
    given = hash_password("pw")
    found = solve([ALICE, BOB], secrets=secrets | {"bob": secret("bob", passwordHash=given)}, previous=None)
    assert messages(found) == [("alice", words)]
    assert [user.name for user in found.users.users] == ["bob"]


def test_a_bad_hash_is_told_without_showing_it():
    found = solve([BOB], secrets={"bob": secret("bob", passwordHash="hunter2")}, previous=None)
    assert found.problems[0][1].reason is UserReason.SECRET_UNUSABLE
    assert messages(found)[0][1].startswith("passwordHash Value error, must be an argon2id")
    assert "hunter2" not in messages(found)[0][1]


def test_what_is_printed_shows_no_secret():
    found = solve([ALICE], secrets={"alice": secret("alice", password="hunter2")}, previous=None, hasher=hasher())
    assert "hunter2" not in repr(secret("alice", password="hunter2"))
    assert found.users.users[0].home_directory == "/alice"


@pytest.mark.parametrize("given", ["$2b$12$abcdefghijklmnopqrstuv", "$6$salt$hash"])
def test_hashes_of_other_servers_are_taken(given: str):
    found = solve([BOB], secrets={"bob": secret("bob", passwordHash=given)}, previous=None)
    assert found.users.users[0].password_hash == given


def test_a_hash_that_is_no_text_is_told():
    view = SecretView("bob", "v1", "v1", "uid-bob", {"passwordHash": b"\xff"})
    assert "argon2id" in messages(solve([BOB], secrets={"bob": view}, previous=None))[0][1]


def test_a_client_certificate_needs_no_secret():
    carol = User.model_validate({"name": "carol", "clientCertificate": {"subject": "CN of carol"}})
    found = solve([carol], secrets={}, previous=None)
    assert (found.problems, found.sources) == ((), {})
    assert found.users.users[0].client_certificate == "CN of carol"
    assert found.users.users[0].password_hash is None
    # It stands beside the hashes that were written before.
    again = solve([carol, ALICE], secrets={"alice": secret("alice", password="pw")}, previous=stored(found))
    assert [user.name for user in again.users.users] == ["carol", "alice"]


def test_what_a_user_may_do_reaches_the_server_in_its_own_units():
    alice = everything().spec.users[0]
    (made,) = solve([alice], secrets={"alice": secret("alice", secret="pw")}, previous=None).users.users
    assert made.permissions is Permissions.READ_ONLY
    assert made.directories == (
        DirectoryPermissions(path="/in", permissions=Permissions.WRITE_ONLY),
        DirectoryPermissions(path="/in/archive", permissions=Permissions.NONE),
    )
    assert made.quota == Quota(bytes=10 * 2**30, files=1000)
    assert made.bandwidth == Bandwidth(upload=1_000_000, download=2 * 2**20)
    assert made.max_sessions == 4
    assert made.allowed_cidrs == (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8"))
    assert made.data_session_reuse is DataSessionReuse.REQUIRED


def test_a_user_of_whom_nothing_is_said_has_no_limits():
    (made,) = solve([ALICE], secrets={"alice": secret("alice", password="pw")}, previous=None).users.users
    assert made.quota == Quota()
    assert made.bandwidth == Bandwidth()
    assert (made.directories, made.max_sessions, made.allowed_cidrs, made.data_session_reuse) == ((), None, None, None)


def test_two_rules_for_one_directory_are_told():
    rules = [{"path": "/in", "preset": "None"}, {"path": "/in/", "preset": "ReadOnly"}]
    twice = User.model_validate(ALICE.model_dump(by_alias=True) | {"permissions": {"directories": rules}})
    found = solve([twice], secrets={"alice": secret("alice", password="pw")}, previous=None)
    assert "'/in' stands twice" in messages(found)[0][1]


def many(number: int, version: str = "1") -> tuple[list[User], dict[str, SecretView | None]]:
    """Users with a password each; `version` is that of their Secrets."""
    names = [f"user-{each}" for each in range(number)]
    users = [User.model_validate({"name": name, "passwordSecretRef": {"name": name}}) for name in names]
    secrets: dict[str, SecretView | None] = {
        name: SecretView(
            name, f"uid-{name}/{version}", f"uid-{name}", version, {"password": f"{name}-{version}".encode()}
        )
        for name in names
    }
    return users, secrets


def names(found: Credentials) -> list[str]:
    return [user.name for user in found.users.users]


def test_many_passwords_are_hashed_some_at_a_time():
    users, secrets = many(5)
    make = hasher()
    first = solve(users, secrets=secrets, previous=None, hasher=make, hashes_at_once=2)
    assert (names(first), first.is_pending) == (["user-0", "user-1"], True)
    assert {problem.reason for _, problem in first.problems} == {UserReason.PROGRESSING}
    second = solve(users, secrets=secrets, previous=stored(first), hasher=make, hashes_at_once=2)
    assert names(second) == ["user-0", "user-1", "user-2", "user-3"]
    third = solve(users, secrets=secrets, previous=stored(second), hasher=make, hashes_at_once=2)
    assert (len(names(third)), third.is_pending) == (5, False)


def test_a_changed_password_does_not_wait_for_new_ones():
    users, secrets = many(5)
    before = solve(users[4:], secrets=secrets, previous=None, hasher=hasher())
    changed = secrets | many(5, "2")[1]
    found = solve(users, secrets=changed, previous=stored(before), hasher=hasher(), hashes_at_once=1)
    assert names(found) == ["user-4"]
    assert found.users.users[0].password_hash.endswith(b"user-4-2".hex())


def test_a_changed_password_counts_from_its_turn_on_and_the_old_one_until_then():
    users, secrets = many(2)
    before = solve(users, secrets=secrets, previous=None, hasher=hasher())
    found = solve(users, secrets=many(2, "2")[1], previous=stored(before), hasher=hasher(), hashes_at_once=1)
    ends = [user.password_hash.rpartition("$")[2] for user in found.users.users]
    assert ends == [b"user-0-2".hex(), b"user-1-1".hex()]
    assert found.is_pending
    after = solve(users, secrets=many(2, "2")[1], previous=stored(found), hasher=hasher(), hashes_at_once=1)
    assert after.users.users[1].password_hash.endswith(b"user-1-2".hex())
    assert not after.is_pending


def test_who_cannot_log_in_anyway_takes_nobody_s_turn():
    users, secrets = many(3)
    twice = [{"path": "/in", "preset": "None"}, {"path": "/in/", "preset": "None"}]
    bad = users[0].model_dump(by_alias=True) | {"permissions": {"directories": twice}}
    found = solve(
        [User.model_validate(bad), *users[1:]], secrets=secrets, previous=None, hasher=hasher(), hashes_at_once=1
    )
    assert names(found) == ["user-1"]


def test_a_hash_is_as_long_as_it_was_reckoned_to_be():
    assert len(hash_password("pw")) == len(_PLACEHOLDER)


def test_a_hash_of_another_secret_never_counts_for_a_user_of_the_same_name():
    users, secrets = many(1)
    before = solve(users, secrets=secrets, previous=None, hasher=hasher())
    others = SecretView("user-0", "uid-other/1", "uid-other", "1", {"password": b"theirs"})
    found = solve(users, secrets={"user-0": others}, previous=stored(before), hasher=hasher(), hashes_at_once=0)
    assert names(found) == []


def test_a_list_that_is_full_takes_no_more_and_keeps_whom_it_has():
    rules = [{"path": f"/{number}/{'x' * 500}", "preset": "None"} for number in range(32)]
    given = secret("bob", passwordHash=hash_password("pw"))
    large = [
        User.model_validate(
            {
                "name": f"user-{number}",
                "passwordHashSecretRef": {"name": "bob"},
                "permissions": {"directories": rules},
            }
        )
        for number in range(70)
    ]
    found = solve([*large, BOB], secrets={"bob": given}, previous=None)
    assert 50 < len(names(found)) < 70
    assert names(found)[-1] == "bob"  # who needs little has room yet
    assert {problem.reason for _, problem in found.problems} == {UserReason.LIST_FULL}
    assert MAX_BYTES - 20_000 < sum(map(len, stored(found).data.values())) <= MAX_BYTES + 100


def test_a_thousand_users_take_less_than_half_of_what_a_secret_may_hold():
    users, _ = many(1000)
    given = secret("bob", "0123456789ab-0123-0123-0123-0123456789ab/12345678", passwordHash=hash_password("pw"))
    hashed = [
        User.model_validate({"name": user.name, "passwordHashSecretRef": {"name": "bob"}, "homeDirectory": "/team/x"})
        for user in users
    ]
    found = solve(hashed, secrets={"bob": given}, previous=None)
    assert len(names(found)) == 1000
    assert sum(map(len, stored(found).data.values())) < MAX_BYTES / 2


def test_who_stands_in_the_secret_as_wanted_has_been_told():
    given = {"alice": secret("alice", password="pw"), "bob": secret("bob", passwordHash=hash_password("pw"))}
    found = solve([ALICE, BOB], secrets=given, previous=None, hasher=hasher())
    assert told(None, found.users) == set()
    assert told(stored(found), found.users) == {"alice", "bob"}
    alone = solve([ALICE], secrets=given, previous=stored(found), hasher=hasher())
    assert told(stored(alone), found.users) == {"alice"}
    moved = User.model_validate(BOB.model_dump(by_alias=True) | {"homeDirectory": "/b"})
    changed = solve([ALICE, moved], secrets=given, previous=stored(found), hasher=hasher())
    assert told(stored(found), changed.users) == {"alice"}


def test_a_tenant_s_secret_is_that_of_its_own_namespace():
    made = server(allowedUserNamespaces={"from": "All"})
    dora = ftps_user("dora", "team", passwordSecretRef={"name": "shared"})
    secrets = {("files", "shared"): secret("theirs", password="theirs"), ("team", "shared"): None}
    found = resolve(admit(made, [dora], labels={}).accounts, secrets=secrets, previous=None, hasher=hasher())
    assert names(found) == []
    secrets["team", "shared"] = secret("own", password="own")
    found = resolve(admit(made, [dora], labels={}).accounts, secrets=secrets, previous=None, hasher=hasher())
    assert found.users.users[0].password_hash.endswith(b"own".hex())
