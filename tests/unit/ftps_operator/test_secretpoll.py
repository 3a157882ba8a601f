import asyncio
from collections.abc import Awaitable

import pytest

from ftps_operator.errors import TransientError
from ftps_operator.secretpoll import MAX_PER_SECOND, SecretName, SecretPoll


class Stop(Exception):  # noqa: N818 - it is no error
    """Ends the endless round."""


class World:
    """Secrets and a clock that the test turns."""

    def __init__(self) -> None:
        self.versions: dict[SecretName, str | None] = {}
        self.failing: set[SecretName] = set()
        self.changes: list[str] = []
        self.asked: list[SecretName] = []
        self.rounds = 0
        self.slept = 0.0
        self.poll: SecretPoll[str] = SecretPoll(
            get_version=self.version, on_change=self.changes.append, sleep=self.sleep
        )

    async def version(self, name: SecretName) -> str | None:
        self.asked.append(name)
        if name in self.failing:
            raise TransientError("no answer")
        return self.versions.get(name)

    def sleep(self, seconds: float) -> Awaitable[None]:
        self.slept += seconds
        if seconds > 1 / MAX_PER_SECOND:  # the pause at the end of a round
            self.rounds -= 1
            if self.rounds <= 0:
                raise Stop
        return asyncio.sleep(0)

    def run(self, rounds: int) -> None:
        self.rounds = rounds
        with pytest.raises(Stop):
            asyncio.run(self.poll.run())


A, B = ("files", "a"), ("files", "b")


def test_an_unchanged_secret_is_no_news():
    world = World()
    world.versions = {A: "1"}
    world.poll.watch("server", {A: "1", B: None})
    world.run(3)
    assert world.changes == []
    assert world.asked == [A, B] * 3


@pytest.mark.parametrize("now", ["2", None])
def test_a_changed_or_vanished_secret_is_told_once_until_it_is_watched_again(now: str | None):
    world = World()
    world.versions = {A: now}
    world.poll.watch("server", {A: "1"})
    world.run(3)
    assert world.changes == ["server"]
    world.poll.watch("server", {A: now})
    world.run(2)
    assert world.changes == ["server"]


def test_a_secret_that_cannot_be_read_is_looked_at_again():
    world = World()
    world.versions, world.failing = {A: "2"}, {A}
    world.poll.watch("server", {A: "1"})
    world.run(2)
    assert world.changes == []
    world.failing.clear()
    world.run(1)
    assert world.changes == ["server"]


def test_many_secrets_take_longer_and_never_exceed_the_rate():
    world = World()
    for number in range(200):
        world.poll.watch(f"server-{number}", {("files", str(number)): None})
    world.run(1)
    assert len(world.asked) / world.slept <= MAX_PER_SECOND


def test_a_forgotten_server_is_asked_for_no_more():
    world = World()
    world.poll.watch("server", {A: "1"})
    world.poll.forget("server")
    world.run(1)
    assert world.asked == []
