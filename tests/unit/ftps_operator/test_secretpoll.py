import asyncio
from collections.abc import Callable

import pytest

from ftps_operator.errors import ForbiddenError, KindNotServedError, TransientError
from ftps_operator.secretpoll import MAX_RECENT, SecretName, SecretPoll, named_pause, own_pause
from ftps_operator.secretview import SecretView

PASSWORD, TLS = ("team", "password"), ("team", "tls")


def named_alone(count: int) -> float | None:
    return named_pause(count, 0)


def own_alone(count: int) -> float | None:
    return own_pause(count, 0)


class Bench:
    """Secrets, their versions, and a clock that moves only while somebody sleeps."""

    def __init__(
        self,
        versions: dict[SecretName, str | Exception | None],
        *,
        seconds: float,
        pause: Callable[[int], float | None] = named_alone,
    ) -> None:
        self.versions = versions
        self.changed: list[str] = []
        self.asked: list[tuple[float, SecretName]] = []
        self.read: list[SecretName] = []
        self.now = 0.0
        self.answers_after = 0.0
        self._end = seconds
        self.poll: SecretPoll[str] = SecretPoll(
            get=self._get,
            get_version=self._get_version,
            on_change=self.changed.append,
            pause=pause,
            sleep=self._sleep,
            monotonic=lambda: self.now,
        )

    async def _get(self, name: SecretName) -> SecretView | None:
        self.read.append(name)
        found = self.versions.get(name)
        if isinstance(found, Exception):
            raise found
        return SecretView(name[1], f"uid/{found}", "uid", found, {}) if found is not None else None

    async def _get_version(self, name: SecretName) -> str | None:
        self.asked.append((self.now, name))
        self.now += self.answers_after
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
    assert [round(at) for at, _ in bench.asked] == [2, 4, 6, 8]


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


def test_a_secret_of_several_servers_is_looked_at_once():
    bench = Bench({PASSWORD: "1"}, seconds=4.0)
    bench.poll.watch("a", {PASSWORD: "1"})
    bench.poll.watch("b", {PASSWORD: "1"})
    bench.run()
    assert len(bench.asked) == 2


def many(count: int) -> list[SecretName]:
    return [("team", f"secret-{number}") for number in range(count)]


def watch_many(pause: Callable[[int], float | None], count: int, *, seconds: float) -> list[int]:
    """How often each Secret was looked at."""
    bench = Bench(dict.fromkeys(many(count), "1"), seconds=seconds, pause=pause)
    for name in many(count):
        bench.poll.watch(name[1], {name: "1"})
    bench.run()
    return [sum(name == asked for _, asked in bench.asked) for name in many(count)]


@pytest.mark.parametrize("count", [1, 2, 10, 60, 100, 2000])
def test_what_somebody_else_keeps_is_looked_at_each_minute_however_much_it_is(count: int):
    assert min(watch_many(named_alone, count, seconds=51.0)) >= 1


def test_one_that_comes_late_waits_no_longer_than_the_others():
    bench = Bench(dict.fromkeys([*many(600), PASSWORD], "1"), seconds=10.0)
    for name in many(600):
        bench.poll.watch(name[1], {name: "1"})
    bench.run()
    bench.poll.watch("late", {PASSWORD: "0"})
    bench.more(51.0)
    bench.run()
    assert bench.changed == ["late"]


@pytest.mark.parametrize(("count", "per_second"), [(1, 0.5), (2, 0.6), (30, 0.6), (60, 1.2), (1000, 20)])
def test_a_minute_is_enough_so_requests_stay_few(count: int, per_second: float):
    assert sum(watch_many(named_alone, count, seconds=120.0)) <= per_second * 120 + 1


@pytest.mark.parametrize(
    ("named", "own"), [(1, 2), (0, 2), (2, 1), (10, 20), (30, 0), (30, 20), (0, 20), (0, 2000), (30, 2000)]
)
def test_an_idle_operator_asks_less_than_once_a_second(named: int, own: int):
    pauses = filter(None, [named_pause(named, own), own_pause(own, named)])
    lease_and_lists = 1 / 3 + 0.03
    assert sum(1 / pause for pause in pauses) + lease_and_lists <= 1


@pytest.mark.parametrize(("own", "named"), [(1, 0), (3, 0), (1, 2), (2, 1), (2, 1000)])
def test_a_little_of_ours_is_looked_at_every_few_seconds(own: int, named: int):
    pause = own_pause(own, named)
    assert pause is not None
    assert own * pause <= 5.001


def test_much_of_ours_is_left_to_the_resync():
    assert sum(watch_many(own_alone, 2000, seconds=60.0)) == 0


def looks(bench: Bench, name: SecretName, *, seconds: float) -> int:
    """How often a Secret is looked at in the time that comes."""
    before = len(bench.asked)
    bench.more(seconds)
    bench.run()
    return sum(name == asked for _, asked in bench.asked[before:])


def test_one_that_has_changed_is_looked_at_more_often_for_a_while():
    bench = Bench(dict.fromkeys(many(600), "1"), seconds=51.0)
    bench.poll.watch("server", dict.fromkeys(many(600), "1"))
    bench.run()
    (one, other), bench.versions[many(1)[0]] = many(2), "2"
    bench.poll.watch("server", dict.fromkeys(many(600), "1") | {one: "2"})
    assert looks(bench, one, seconds=300.0) >= 150
    assert looks(bench, one, seconds=300.0) <= 7
    assert bench.changed == []
    assert sum(name == other for _, name in bench.asked) <= 14


def test_one_that_is_missing_is_found_as_soon_as_it_comes():
    bench = Bench(dict.fromkeys(many(600), "1"), seconds=4.1)
    bench.poll.watch("others", dict.fromkeys(many(600), "1"))
    bench.poll.watch("server", {PASSWORD: None})
    bench.run()
    assert bench.changed == []
    bench.versions[PASSWORD] = "1"
    bench.more(2.0)
    bench.run()
    assert bench.changed == ["server"]


def test_of_many_that_have_changed_the_latest_are_looked_at_more_often():
    names = many(600)
    bench = Bench(dict.fromkeys(names, "2"), seconds=1.0)
    bench.poll.watch("server", dict.fromkeys(names, "1"))
    bench.poll.watch("server", dict.fromkeys(names, "2"))
    bench.more(10.1)
    bench.run()
    assert {name for name in names if sum(name == asked for _, asked in bench.asked) >= 5} == set(names[-MAX_RECENT:])


def test_of_much_of_ours_none_is_looked_at_though_it_has_changed():
    bench = Bench(dict.fromkeys(many(600), "2"), seconds=10.0, pause=own_alone)
    bench.poll.watch("server", dict.fromkeys(many(600), "1"))
    bench.poll.watch("server", dict.fromkeys(many(600), "2"))
    bench.run()
    assert bench.asked == []


def test_what_nobody_names_any_more_is_not_looked_at_though_it_was_missing():
    bench = Bench({}, seconds=10.0)
    bench.poll.watch("server", {PASSWORD: None})
    bench.poll.watch("server", {})
    bench.run()
    assert bench.asked == []


@pytest.mark.parametrize("error", [TransientError("busy"), ForbiddenError("no"), KindNotServedError("a proxy's 404")])
def test_a_secret_that_cannot_be_read_does_not_hide_the_others(error: Exception):
    bench = Bench({PASSWORD: error, TLS: "2"}, seconds=4.0)
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


def test_the_time_that_an_answer_takes_delays_no_round():
    names = [("team", f"secret-{number}") for number in range(600)]
    bench = Bench(dict.fromkeys(names, "1"), seconds=61.0)
    bench.answers_after = 0.05
    bench.poll.watch("server", dict.fromkeys(names, "1"))
    bench.run()
    assert {name for _, name in bench.asked} == set(names)


def test_what_is_watched_anew_over_and_over_is_still_looked_at():
    names = [("team", f"secret-{number}") for number in range(100)]
    bench = Bench(dict.fromkeys(names, "1"), seconds=30.0)
    bench.poll.watch("server", dict.fromkeys(names, "1"))
    for _ in range(3):
        bench.run()
        bench.poll.watch("server", dict.fromkeys(names, "1"))
        bench.more(30.0)
    assert {name for _, name in bench.asked} == set(names)


def test_after_a_change_was_told_the_others_are_looked_at_all_the_same():
    bench = Bench({PASSWORD: "2", TLS: "1"}, seconds=4.0)
    bench.poll.watch("server", {PASSWORD: "1", TLS: "1"})
    bench.run()
    bench.versions[TLS] = "2"
    bench.more(4.0)
    bench.run()
    assert bench.changed == ["server"]
    assert {name for _, name in bench.asked} == {PASSWORD, TLS}


def read(bench: Bench, *names: SecretName) -> dict[SecretName, str | None]:
    found = asyncio.run(bench.poll.read(names))
    return {name: view.resource_version if view else None for name, view in found.items()}


def test_a_secret_is_read_once_and_then_when_it_has_changed():
    bench = Bench({PASSWORD: "1", TLS: "1"}, seconds=2.0)
    assert read(bench, PASSWORD, TLS) == {PASSWORD: "1", TLS: "1"}
    bench.poll.watch("server", {PASSWORD: "1", TLS: "1"})
    bench.versions[PASSWORD] = "2"
    assert read(bench, PASSWORD, TLS) == {PASSWORD: "1", TLS: "1"}
    bench.run()
    assert bench.changed == ["server"]
    assert read(bench, PASSWORD, TLS) == {PASSWORD: "2", TLS: "1"}
    assert sorted(bench.read) == [PASSWORD, PASSWORD, TLS]


def test_what_was_dropped_while_it_was_read_is_read_again():
    bench = Bench({PASSWORD: "1"}, seconds=2.0)
    get = bench._get

    async def overtaken(name: SecretName) -> SecretView | None:
        found = await get(name)
        bench.versions[PASSWORD] = "2"
        bench.poll.drop(name)
        return found

    bench.poll._get = overtaken
    assert read(bench, PASSWORD) == {PASSWORD: "1"}
    assert read(bench, PASSWORD) == {PASSWORD: "2"}


@pytest.mark.parametrize("forget", ["drop", "forget", "watch"])
def test_it_is_read_anew_when_somebody_asks_for_it_or_nobody_watched_it(forget: str):
    bench = Bench({PASSWORD: "1"}, seconds=2.0)
    read(bench, PASSWORD)
    bench.poll.watch("server", {PASSWORD: "1"})
    bench.versions[PASSWORD] = "2"
    match forget:
        case "drop":
            bench.poll.drop(PASSWORD)
        case "forget":
            bench.poll.forget("server")
        case _:
            bench.poll.watch("server", {})
    assert read(bench, PASSWORD) == {PASSWORD: "2"}


def test_a_secret_of_another_server_stays_known():
    bench = Bench({PASSWORD: "1"}, seconds=2.0)
    read(bench, PASSWORD)
    bench.poll.watch("a", {PASSWORD: "1"})
    bench.poll.watch("b", {PASSWORD: "1"})
    bench.poll.forget("a")
    read(bench, PASSWORD)
    assert bench.read == [PASSWORD]


def test_a_missing_secret_is_always_read():
    bench = Bench({}, seconds=2.0)
    assert read(bench, PASSWORD) == {PASSWORD: None}
    bench.versions[PASSWORD] = "1"
    assert read(bench, PASSWORD) == {PASSWORD: "1"}


def test_one_secret_that_cannot_be_read_is_told_to_the_reader():
    bench = Bench({PASSWORD: TransientError("busy"), TLS: "1"}, seconds=2.0)
    with pytest.raises(TransientError, match="busy"):
        read(bench, PASSWORD, TLS)
