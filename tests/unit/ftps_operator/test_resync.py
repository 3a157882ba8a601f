import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from ftps_operator import resync
from ftps_operator.errors import ForbiddenError, KindNotServedError, TransientError
from ftps_operator.kinds import CERTIFICATE, FTPS_SERVER, FTPS_USER, SERVICE, WATCHED, Kind, watched
from ftps_operator.naming import Manifest
from ftps_operator.resync import RETRY_SECONDS, SETTLE_SECONDS, Relist, look_again
from ftps_operator.store import Owner, Store
from ftps_operator.workqueue import Key


class Cache:
    """Answers listings; what is an error is raised, once."""

    def __init__(self) -> None:
        self.changed: dict[tuple[Kind, str | None], set[Owner]] = {}
        self.faults: list[tuple[Kind, str | None, Exception]] = []
        self.listed: list[tuple[Kind, str | None]] = []

    async def relist(self, kind: Kind, namespace: str | None) -> set[Owner]:
        self.listed.append((kind, namespace))
        for fault in self.faults:
            if fault[:2] == (kind, namespace):
                self.faults.remove(fault)
                raise fault[2]
        return self.changed.get((kind, namespace), set())


class Bench:
    """A Relist, what it adds, and how long it waits."""

    def __init__(self, *namespaces: str, seconds: float = 600) -> None:
        self.cache = Cache()
        self.added: list[Key] = []
        self.pauses: list[float] = []
        self.while_sleeping: Callable[[], None] = lambda: None
        self.relist = Relist(
            self.cache,  # type: ignore[arg-type]
            Store(),
            self.added.append,
            namespaces=namespaces,
            seconds=seconds,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        happening, self.while_sleeping = self.while_sleeping, lambda: None
        happening()
        await asyncio.sleep(0)


def run(go: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(5):
            await go()

    asyncio.run(within())


async def until(relist: Relist, is_so: Callable[[], bool]) -> None:
    running = asyncio.create_task(relist.run())
    while not is_so():  # noqa: ASYNC110 - of a fake, which tells nobody
        await asyncio.sleep(0)
    running.cancel()


def test_everything_is_listed_at_the_start_the_servers_first():
    bench = Bench()
    bench.cache.changed[FTPS_SERVER, None] = {("team", "a"), ("team", "b")}
    run(bench.relist.first)
    assert {kind for kind, _ in bench.cache.listed} == set(watched(()))
    assert bench.cache.listed[0] == (FTPS_SERVER, None)
    assert sorted(bench.added) == [Key("team", "a"), Key("team", "b")]


@pytest.mark.parametrize("error", [TransientError("busy"), KindNotServedError("no CRD"), ForbiddenError("no")])
def test_nothing_begins_before_the_servers_are_known(error: Exception, caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.cache.faults = [(FTPS_SERVER, None, error)]
    run(bench.relist.first)
    assert bench.pauses == [RETRY_SECONDS]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_what_goes_on_failing_is_listed_less_and_less_often():
    bench = Bench()
    bench.cache.faults = [(FTPS_SERVER, None, TransientError("busy")) for _ in range(5)]
    run(bench.relist.first)
    assert bench.pauses == [5, 10, 20, 30, 30]


def test_one_namespace_that_cannot_be_listed_does_not_hide_the_others():
    bench = Bench("a", "b")
    bench.cache.faults = [(FTPS_SERVER, "a", ForbiddenError("no"))]
    bench.cache.changed[FTPS_SERVER, "b"] = {("b", "x")}
    run(bench.relist.first)
    assert {kind for kind, _ in bench.cache.listed} == set(WATCHED)
    assert bench.pauses == []
    assert set(bench.added) == {Key("b", "x")}


def test_a_kind_that_is_not_served_holds_nothing_up(caplog: pytest.LogCaptureFixture):
    bench = Bench()
    bench.cache.faults = [(CERTIFICATE, None, KindNotServedError("no CRD"))]
    run(bench.relist.first)
    assert bench.pauses == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_users_that_are_not_served_are_listed_again_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resync, "RETRY_SECONDS", 0.0)
    bench = Bench()
    bench.cache.faults = [(FTPS_USER, None, KindNotServedError("no CRD"))]

    async def go() -> None:
        await bench.relist.first()
        bench.cache.listed.clear()
        await until(bench.relist, lambda: bool(bench.cache.listed))

    run(go)
    assert bench.cache.listed == [(FTPS_USER, None)]


def test_a_kind_that_kopf_lists_is_listed_once_kopf_is_through():
    bench = Bench()

    async def go() -> None:
        await bench.relist.first()
        bench.cache.listed.clear()
        bench.relist.is_due(SERVICE)
        bench.while_sleeping = lambda: bench.relist.is_due(SERVICE)  # kopf is not through yet
        await until(bench.relist, lambda: bool(bench.cache.listed))

    run(go)
    assert bench.cache.listed == [(SERVICE, None)]
    assert bench.pauses == [SETTLE_SECONDS] * 2


def test_what_could_not_be_listed_is_listed_again_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resync, "RETRY_SECONDS", 0.0)
    bench = Bench()
    bench.cache.faults = [(SERVICE, None, TransientError("busy"))]

    async def go() -> None:
        await bench.relist.first()
        bench.cache.listed.clear()
        await until(bench.relist, lambda: bool(bench.cache.listed))

    run(go)
    assert bench.cache.listed == [(SERVICE, None)]


def test_everything_is_listed_from_time_to_time():
    bench = Bench(seconds=0)

    async def go() -> None:
        await bench.relist.first()
        bench.cache.listed.clear()
        await until(bench.relist, lambda: len(bench.cache.listed) >= len(watched(())))

    run(go)
    assert {kind for kind, _ in bench.cache.listed} == set(watched(()))


def server(name: str) -> Manifest:
    return {"metadata": {"namespace": "team", "name": name, "uid": name, "resourceVersion": "1"}}


def looked_at(store: Store, *, rounds: int) -> tuple[list[Key], list[float]]:
    added: list[Key] = []
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > rounds:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(look_again(store, added.append, seconds=100, sleep=sleep, jitter=lambda: 0.5))
    return added, pauses


def test_the_servers_are_looked_at_one_after_the_other():
    store = Store()
    for name in "abcd":
        store.observe(FTPS_SERVER, server(name))
    added, pauses = looked_at(store, rounds=5)
    assert added == [Key("team", name) for name in "abcda"]
    assert pauses == [25.0] * 6


def test_without_servers_nothing_is_looked_at():
    added, pauses = looked_at(Store(), rounds=2)
    assert added == []
    assert pauses == [60.0] * 3
