from itertools import count

import pytest

from ftps_operator.credentials import Credentials, hash_password, resolve
from ftps_operator.desired.secrets import build_users_secret
from ftps_operator.models.users import User
from ftps_operator.secretview import SecretView
from support.samples import owned, server

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
