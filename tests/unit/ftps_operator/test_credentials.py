from ipaddress import IPv4Network, IPv6Network
from itertools import count

import pytest

from ftps_operator.credentials import Credentials, hash_password, resolve
from ftps_operator.desired.secrets import build_users_secret
from ftps_operator.models.users import User
from ftps_operator.secretview import SecretView
from ftps_server.config import Bandwidth, DataSessionReuse, DirectoryPermissions, Permissions, Quota
from support.samples import everything, owned, server

ALICE = User.model_validate({"name": "alice", "passwordSecretRef": {"name": "alice"}})
BOB = User.model_validate({"name": "bob", "passwordHashSecretRef": {"name": "bob"}})


def secret(name: str, version: str = "v1", **data: str) -> SecretView:
    return SecretView(name, version, version, f"uid-{name}", {key: text.encode() for key, text in data.items()})


def hasher():
    """Salted as the real one is, so that no two hashes are equal; and quicker."""
    numbers = count()
    return lambda password: f"$argon2id$v=19$m=8,t=1,p=1$salt{next(numbers)}${password.hex()}"


def stored(credentials: Credentials) -> SecretView:
    made = server()
    return SecretView.of(owned(made, build_users_secret(made, credentials.users, credentials.sources)))


def test_a_password_becomes_a_hash_that_verifies():
    from argon2 import PasswordHasher

    found = resolve([ALICE], secrets={"alice": secret("alice", password="pw")}, previous=None)
    assert PasswordHasher().verify(found.users.users[0].password_hash, "pw")


def test_a_hash_stands_as_long_as_the_secret_does():
    secrets, make = {"alice": secret("alice", password="pw")}, hasher()
    first = resolve([ALICE], secrets=secrets, previous=None, hasher=make)
    again = resolve([ALICE], secrets=secrets, previous=stored(first), hasher=make)
    assert again == first


def test_a_changed_secret_makes_a_new_hash():
    make = hasher()
    first = resolve([ALICE], secrets={"alice": secret("alice", password="pw")}, previous=None, hasher=make)
    changed = {"alice": secret("alice", "v2", password="new")}
    again = resolve([ALICE], secrets=changed, previous=stored(first), hasher=make)
    assert again.users != first.users


def test_a_spoilt_secret_of_hashes_is_made_anew():
    secrets = {"alice": secret("alice", password="pw")}
    spoilt = SecretView("x", "v", "v", "u", {"users.json": b"{}", "sources.json": b"[]"})
    assert resolve([ALICE], secrets=secrets, previous=spoilt, hasher=hasher()).users.users


def test_a_hash_is_taken_as_it_is():
    given = hash_password("pw")
    found = resolve([BOB], secrets={"bob": secret("bob", passwordHash=f"{given}\n")}, previous=None)
    assert found.users.users[0].password_hash == given


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "user alice: Secret alice is missing"),
        ({"alice": None}, "user alice: Secret alice is missing"),
        ({"alice": secret("alice", other="x")}, "user alice: Secret alice has no key password"),
    ],
)
def test_one_user_s_trouble_is_told_and_leaves_the_others_alone(secrets: dict[str, SecretView | None], words: str):
    given = hash_password("pw")
    found = resolve([ALICE, BOB], secrets=secrets | {"bob": secret("bob", passwordHash=given)}, previous=None)
    assert found.problems == (words,)
    assert [user.name for user in found.users.users] == ["bob"]


def test_a_bad_hash_is_told_without_showing_it():
    found = resolve([BOB], secrets={"bob": secret("bob", passwordHash="hunter2")}, previous=None)
    assert "argon2id" in found.problems[0]
    assert "hunter2" not in found.problems[0]


def test_what_is_printed_shows_no_secret():
    found = resolve([ALICE], secrets={"alice": secret("alice", password="hunter2")}, previous=None, hasher=hasher())
    assert "hunter2" not in repr(secret("alice", password="hunter2"))
    assert found.users.users[0].home_directory == "/alice"


@pytest.mark.parametrize("given", ["$2b$12$abcdefghijklmnopqrstuv", "$6$salt$hash"])
def test_hashes_of_other_servers_are_taken(given: str):
    found = resolve([BOB], secrets={"bob": secret("bob", passwordHash=given)}, previous=None)
    assert found.users.users[0].password_hash == given


def test_a_hash_that_is_no_text_is_told():
    view = SecretView("bob", "v1", "v1", "uid-bob", {"passwordHash": b"\xff"})
    assert "argon2id" in resolve([BOB], secrets={"bob": view}, previous=None).problems[0]


def test_a_client_certificate_needs_no_secret():
    carol = User.model_validate({"name": "carol", "clientCertificate": {"subject": "CN of carol"}})
    found = resolve([carol], secrets={}, previous=None)
    assert (found.problems, found.sources) == ((), {})
    assert found.users.users[0].client_certificate == "CN of carol"
    assert found.users.users[0].password_hash is None
    # It stands beside the hashes that were written before.
    again = resolve([carol, ALICE], secrets={"alice": secret("alice", password="pw")}, previous=stored(found))
    assert [user.name for user in again.users.users] == ["carol", "alice"]


def test_what_a_user_may_do_reaches_the_server_in_its_own_units():
    alice = everything().spec.users[0]
    (made,) = resolve([alice], secrets={"alice": secret("alice", secret="pw")}, previous=None).users.users
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
    (made,) = resolve([ALICE], secrets={"alice": secret("alice", password="pw")}, previous=None).users.users
    assert made.quota == Quota()
    assert made.bandwidth == Bandwidth()
    assert (made.directories, made.max_sessions, made.allowed_cidrs, made.data_session_reuse) == ((), None, None, None)


def test_two_rules_for_one_directory_are_told():
    rules = [{"path": "/in", "preset": "None"}, {"path": "/in/", "preset": "ReadOnly"}]
    twice = User.model_validate(ALICE.model_dump(by_alias=True) | {"permissions": {"directories": rules}})
    found = resolve([twice], secrets={"alice": secret("alice", password="pw")}, previous=None)
    assert "'/in' stands twice" in found.problems[0]
