import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ftps_operator.cache import Cache
from ftps_operator.credentials import hash_password
from ftps_operator.desired.secrets import build_users_secret
from ftps_operator.errors import TransientError
from ftps_operator.kinds import FTPS_USER, NAMESPACE, Kind
from ftps_operator.naming import Manifest
from ftps_operator.secretpoll import SecretName
from ftps_operator.secretview import SecretView
from ftps_operator.serverusers import Found, ServerUsers
from ftps_operator.settings import Settings
from ftps_operator.store import Store
from ftps_operator.tenants import ObjectId, UserReason
from ftps_operator.userstatus import Outcome
from ftps_operator.workqueue import Key
from support.samples import ftps_user_body, owned, server

ALICE = {"name": "alice", "passwordHashSecretRef": {"name": "alice"}}
EVERYWHERE_SETTINGS = Settings(server_image="s")
SOME = Settings(server_image="s", namespaces=("files", "blue"))
EVERYWHERE: tuple[tuple[Kind, str | None], ...] = ((NAMESPACE, None), (FTPS_USER, None))
HASH = hash_password("pw")


class Bench:
    """The users of a server, and what is told to the FtpsUsers."""

    def __init__(
        self, settings: Settings = EVERYWHERE_SETTINGS, *, listed: tuple[tuple[Kind, str | None], ...] = EVERYWHERE
    ) -> None:
        self.store = Store()
        cache = Cache(self, self.store)  # type: ignore[arg-type]
        for kind, namespace in listed:
            asyncio.run(cache.relist(kind, namespace))
        self.gone: list[ObjectId] = []
        self.told: dict[ObjectId, Outcome] = {}
        self.secrets: dict[SecretName, SecretView] = {}
        self.users = ServerUsers(
            settings=settings,
            cache=cache,
            secrets=self,  # type: ignore[arg-type]
            writer=self,  # type: ignore[arg-type]
        )

    async def read(self, names: set[SecretName]) -> dict[SecretName, SecretView | None]:
        return {name: self.secrets.get(name) for name in names}

    async def pages(self, *_: object, **__: object) -> AsyncIterator[list[Manifest]]:
        """Nothing is there yet."""
        for page in ():
            yield page

    def forget(self, server: ObjectId) -> None:
        self.gone.append(server)

    def tell(self, outcomes: dict[ObjectId, Outcome]) -> None:
        self.told |= outcomes

    def add(self, name: str, namespace: str = "files", **spec: Any) -> None:
        body = ftps_user_body(name, namespace, passwordHashSecretRef={"name": name}, **spec)
        self.store.observe(FTPS_USER, body)
        self.give(name, namespace)

    def give(self, name: str, namespace: str = "files") -> None:
        self.secrets[namespace, name] = SecretView(name, "u/1", "u", "1", {"passwordHash": HASH.encode()})

    def find(self, *, pretends: bool = False, **spec: Any) -> Found:
        return asyncio.run(self.users.find(server(**spec), written=None, may_hash=not pretends, pretends=pretends))

    def reasons(self) -> dict[ObjectId, UserReason | None]:
        return {identity: each.problem.reason if each.problem else None for identity, each in self.told.items()}


def written(found: Found) -> SecretView:
    made = server()
    return SecretView.of(owned(made, build_users_secret(made, found.credentials.users, found.credentials.sources)))


def test_listed_users_and_ftps_users_end_in_one_list():
    bench = Bench()
    bench.give("alice")
    bench.add("bob")
    found = bench.find(users=[ALICE])
    assert [user.name for user in found.credentials.users.users] == ["alice", "bob"]
    assert bench.users.tell(found, written=written(found), waits_for="") == 0
    assert bench.reasons() == {("files", "bob"): None}


def test_who_is_not_in_the_list_that_was_written_waits():
    bench = Bench()
    bench.add("bob")
    found = bench.find()
    assert bench.users.tell(found, written=None, waits_for="the server is paused") == 1
    outcome = bench.told["files", "bob"]
    assert outcome.problem is not None
    assert (outcome.problem.reason, outcome.problem.message) == (UserReason.SERVER_NOT_READY, "the server is paused")


def test_each_trouble_is_its_user_s_and_the_server_s_are_apart():
    bench = Bench()
    bench.add("bob")
    bench.add("carol", "blue")
    bench.add("dave", homeDirectory="/../x")
    bench.add("erin")
    del bench.secrets["files", "erin"]
    found = bench.find(users=[ALICE])
    assert found.server_problems == ("user alice: Secret alice is missing: make it, with the key passwordHash",)
    assert bench.users.tell(found, written=written(found), waits_for="") == 3
    assert bench.reasons() == {
        ("files", "bob"): None,
        ("blue", "carol"): UserReason.NAMESPACE_NOT_ALLOWED,
        ("files", "dave"): UserReason.INVALID_SPEC,
        ("files", "erin"): UserReason.SECRET_NOT_FOUND,
    }
    assert set(found.secrets) == {("files", "alice"), ("files", "bob"), ("files", "erin")}


def test_a_selector_that_cannot_be_answered_is_the_server_s_trouble():
    selector = {"allowedUserNamespaces": {"from": "Selector", "selector": {}}}
    bench = Bench(SOME, listed=((FTPS_USER, "files"), (FTPS_USER, "blue")))
    assert "looks after some namespaces only" in bench.find(**selector).server_problems[0]
    assert Bench().find(**selector).server_problems == ()


@pytest.mark.parametrize(
    ("settings", "listed", "allowed", "is_known"),
    [
        (EVERYWHERE_SETTINGS, (), "Same", False),
        (EVERYWHERE_SETTINGS, EVERYWHERE[1:], "Same", False),
        (EVERYWHERE_SETTINGS, EVERYWHERE, "All", True),
        (SOME, ((FTPS_USER, "files"),), "Same", True),
        (SOME, ((FTPS_USER, "files"),), "All", False),
        (SOME, ((FTPS_USER, "blue"),), "Same", False),
        (SOME, ((FTPS_USER, "files"), (FTPS_USER, "blue")), "All", True),
    ],
)
def test_no_server_is_looked_at_while_its_users_are_not_known(
    settings: Settings, listed: tuple[tuple[Kind, str | None], ...], allowed: str, is_known: bool
):
    bench = Bench(settings, listed=listed)
    if is_known:
        bench.find(allowedUserNamespaces={"from": allowed})
    else:
        with pytest.raises(TransientError, match="not been listed yet"):
            bench.find(allowedUserNamespaces={"from": allowed})


def test_the_users_of_a_server_that_is_not_there_are_all_told_the_same():
    bench = Bench()
    bench.add("bob")
    bench.add("dave", homeDirectory="/../x")
    bench.users.tell_all(Key("files", "exchange"), UserReason.SERVER_NOT_FOUND, "make it")
    assert bench.reasons() == {
        ("files", "bob"): UserReason.SERVER_NOT_FOUND,
        ("files", "dave"): UserReason.INVALID_SPEC,
    }


def test_nothing_is_told_of_a_server_of_another_class():
    bench = Bench()
    bench.add("bob")
    bench.users.tell_nothing(Key("files", "exchange"))
    assert bench.told == {}
    assert bench.gone == [("files", "exchange")]


def test_of_a_server_that_is_not_looked_after_another_operator_may_know_better():
    bench = Bench(SOME)
    elsewhere = Key("red", "exchange")
    bench.add("bob", serverRef={"name": "exchange", "namespace": "red"})
    bench.users.tell_all(elsewhere, UserReason.SERVER_NOT_FOUND, "not looked after")
    assert bench.told["files", "bob"].is_guess
    bench.users.tell_all(Key("files", "exchange"), UserReason.SERVER_NOT_FOUND, "make it")
    assert not any(each.is_guess for each in bench.told.values() if each.server != elsewhere)


def test_a_user_that_is_about_to_go_is_none():
    bench = Bench()
    body = ftps_user_body("bob", "files")
    bench.store.observe(
        FTPS_USER, body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-11-24T12:00:00Z"}}
    )
    assert bench.find().entries == ()


def test_a_namespace_s_labels_let_its_users_in():
    bench = Bench()
    bench.add("carol", "blue")
    selector = {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}
    assert bench.find(allowedUserNamespaces=selector).credentials.users.users == ()
    meta = {"name": "blue", "uid": "u", "resourceVersion": "1", "labels": {"a": "b"}}
    assert bench.store.observe(NAMESPACE, {"metadata": meta}) == {("files", "exchange")}
    assert [user.name for user in bench.find(allowedUserNamespaces=selector).credentials.users.users] == ["carol"]


def test_who_pretends_has_every_new_user_in_the_list_and_hashes_nothing():
    bench = Bench()
    alice = {"name": "alice", "passwordSecretRef": {"name": "alice"}}
    bench.secrets["files", "alice"] = SecretView("alice", "u/1", "u", "1", {"password": b"pw"})
    (user,) = bench.find(pretends=True, users=[alice]).credentials.users.users
    assert user.name == "alice"
    assert set((user.password_hash or "").removeprefix("$argon2id$")) == {"x"}
