import asyncio

import pytest

from ftps_operator.errors import ForbiddenError, KindNotServedError, TransientError
from ftps_operator.secretpoll import SecretName, SecretPoll

PASSWORD, TLS = ("team", "password"), ("team", "tls")


class Bench:
    """Secrets, their versions, and a clock that moves only while somebody sleeps."""

    def __init__(self, versions: dict[SecretName, str | Exception | None], *, seconds: float) -> None:
        self.versions = versions
        self.changed: list[str] = []
        self.asked: list[tuple[float, SecretName]] = []
        self.now = 0.0
        self._end = seconds
        self.poll: SecretPoll[str] = SecretPoll(
            get_version=self._get_version, on_change=self.changed.append, sleep=self._sleep
        )

    async def _get_version(self, name: SecretName) -> str | None:
        self.asked.append((self.now, name))
        found = self.versions.get(name)
        if isinstance(found, Exception):
            raise found
        return found

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self._end:
            raise asyncio.CancelledError
        await asyncio.sleep(0)

    def more(self, seconds: float) -> None:
        self._end = self.now + seconds

    def run(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(self.poll.run())


def test_a_changed_secret_is_noticed_within_a_round():
    bench = Bench({PASSWORD: "2", TLS: "1"}, seconds=2.0)
    bench.poll.watch("server", {PASSWORD: "1", TLS: "1"})
    bench.run()
    assert bench.changed == ["server"]


@pytest.mark.parametrize(("known", "found"), [(None, "1"), ("1", None)])
def test_so_is_one_that_comes_or_goes(known: str | None, found: str | None):
    bench = Bench({PASSWORD: found}, seconds=2.0)
    bench.poll.watch("server", {PASSWORD: known})
    bench.run()
    assert bench.changed == ["server"]


def test_an_unchanged_secret_is_looked_at_every_two_seconds_and_nothing_happens():
    bench = Bench({PASSWORD: "1"}, seconds=9.9)
    bench.poll.watch("server", {PASSWORD: "1"})
    bench.run()
    assert bench.changed == []
    assert [round(at) for at, _ in bench.asked] == [0, 2, 4, 6, 8]


def test_a_change_is_told_once_until_the_server_has_been_looked_at():
    bench = Bench({PASSWORD: "2"}, seconds=10.0)
    bench.poll.watch("server", {PASSWORD: "1"})
    bench.run()
    assert bench.changed == ["server"]


def test_a_secret_of_several_servers_is_told_to_each():
    bench = Bench({PASSWORD: "2"}, seconds=2.0)
    bench.poll.watch("a", {PASSWORD: "1"})
    bench.poll.watch("b", {PASSWORD: "1"})
    bench.run()
    assert bench.changed == ["a", "b"]


def test_a_forgotten_server_costs_nothing():
    bench = Bench({PASSWORD: "2"}, seconds=10.0)
    bench.poll.watch("server", {PASSWORD: "1"})
    bench.poll.forget("server")
    bench.poll.forget("never seen")
    bench.run()
    assert bench.asked == []


def test_what_a_server_no_longer_names_is_not_looked_at():
    bench = Bench({PASSWORD: "2", TLS: "1"}, seconds=2.0)
    bench.poll.watch("server", {PASSWORD: "1", TLS: "1"})
    bench.poll.watch("server", {TLS: "1"})
    bench.run()
    assert {name for _, name in bench.asked} == {TLS}


def test_many_secrets_take_longer_and_never_exceed_the_rate():
    names = [("team", f"secret-{number}") for number in range(500)]
    bench = Bench(dict.fromkeys(names, "1"), seconds=60.0)
    for namespace, name in names:
        bench.poll.watch(name, {(namespace, name): "1"})
    bench.run()
    times = [at for at, _ in bench.asked]
    busiest = max(sum(start <= at < start + 1 for at in times) for start in range(60))
    assert 19 <= busiest <= 21
    per_secret = [sum(name == asked for _, asked in bench.asked) for name in names]
    assert min(per_secret) == 2
    assert max(per_secret) == 3


@pytest.mark.parametrize("error", [TransientError("busy"), ForbiddenError("no"), KindNotServedError("a proxy's 404")])
def test_a_secret_that_cannot_be_read_does_not_hide_the_others(error: Exception):
    bench = Bench({PASSWORD: error, TLS: "2"}, seconds=2.0)
    bench.poll.watch("server", {PASSWORD: "1", TLS: "1"})
    bench.run()
    assert bench.changed == ["server"]


def test_a_secret_that_could_not_be_read_is_looked_at_again():
    bench = Bench({PASSWORD: TransientError("busy")}, seconds=2.0)
    bench.poll.watch("server", {PASSWORD: "1"})
    bench.run()
    assert bench.changed == []
    bench.versions[PASSWORD] = "2"
    bench.more(2.0)
    bench.run()
    assert bench.changed == ["server"]


def test_what_a_reconcile_has_seen_is_no_news_any_more():
    bench = Bench({PASSWORD: "2"}, seconds=2.0)
    bench.poll.watch("server", {PASSWORD: "1"})
    bench.run()
    bench.poll.watch("server", {PASSWORD: "2"})
    bench.more(4.0)
    bench.run()
    assert bench.changed == ["server"]


def test_an_answer_overtaken_by_a_reconcile_is_no_change():
    bench = Bench({PASSWORD: "2"}, seconds=2.0)
    bench.poll.watch("server", {PASSWORD: "1"})
    look = bench._get_version

    async def overtaken(name: SecretName) -> str | None:
        found = await look(name)
        bench.poll.watch("server", {PASSWORD: "2"})
        return found

    bench.poll._get_version = overtaken
    bench.run()
    assert bench.changed == []
