import asyncio
import json
import logging
from collections.abc import Callable

import pytest

from ftps_operator import logs
from ftps_operator.errors import ConflictError, ForbiddenError, TransientError
from ftps_operator.workqueue import Key, WorkQueue, work

A, B = Key("team", "a"), Key("team", "b")


class FakeTimer(asyncio.TimerHandle):
    def __init__(self, when: float, callback: Callable[[], None], cancelled: Callable[["FakeTimer"], None]) -> None:
        super().__init__(when, callback, (), asyncio.get_running_loop())
        self.callback = callback
        self._forget = cancelled

    def cancel(self) -> None:
        self._forget(self)


class Timers:
    """Takes what is asked for later, and lets time pass at once."""

    def __init__(self) -> None:
        self.pending: list[FakeTimer] = []
        self.delays: list[float] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        timer = FakeTimer(asyncio.get_running_loop().time() + delay, callback, self.pending.remove)
        self.delays.append(delay)
        self.pending.append(timer)
        return timer

    def fire(self) -> None:
        pending, self.pending = self.pending, []
        for timer in pending:
            timer.callback()


def queue_with(timers: Timers, **more: Callable[[], float]) -> WorkQueue[Key]:
    return WorkQueue(call_later=timers.call_later, **({"jitter": lambda: 0.5} | more))


async def taken(queue: WorkQueue[Key]) -> Key | None:
    """What is ready to be worked on, if anything is."""
    getting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    if getting.done():
        return getting.result()
    getting.cancel()
    return None


async def work_once(queue: WorkQueue[Key], process: Callable[[Key], float | None]) -> None:
    """Let one worker work off what waits."""

    async def one(key: Key) -> float | None:
        return process(key)

    worker = asyncio.create_task(work(queue, one))
    for _ in range(10):
        await asyncio.sleep(0)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


def test_a_key_added_often_is_worked_on_once():
    async def run() -> None:
        queue: WorkQueue[Key] = WorkQueue()
        queue.add(A)
        queue.add(B)
        queue.add(A)
        assert [await taken(queue), await taken(queue), await taken(queue)] == [A, B, None]

    asyncio.run(run())


def test_a_key_is_never_worked_on_twice_at_once_and_what_happens_meanwhile_is_not_lost():
    async def run() -> None:
        queue: WorkQueue[Key] = WorkQueue()
        queue.add(A)
        assert await taken(queue) == A
        queue.add(A)
        queue.add(A)
        assert await taken(queue) is None
        queue.done(A)
        assert await taken(queue) == A
        queue.done(A)
        assert await taken(queue) is None

    asyncio.run(run())


def test_a_worker_that_waits_is_woken():
    async def run() -> None:
        queue: WorkQueue[Key] = WorkQueue()
        waiting = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add(A)
        assert await waiting == A

    asyncio.run(run())


def test_of_several_times_the_earliest_wins():
    async def run() -> None:
        timers = Timers()
        queue = queue_with(timers)
        queue.add_after(A, 60)
        queue.add_after(A, 5)
        queue.add_after(A, 30)
        assert timers.delays == [60, 5]
        assert len(timers.pending) == 1
        timers.fire()
        assert await taken(queue) == A

    asyncio.run(run())


def test_a_failing_key_waits_longer_each_time_but_never_more_than_a_minute():
    async def run() -> None:
        timers = Timers()
        queue = queue_with(timers)
        for _ in range(12):
            queue.retry(A)
            timers.fire()
        assert timers.delays[:5] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2])
        assert timers.delays[-1] == 60.0
        queue.forget(A)
        queue.retry(A)
        assert timers.delays[-1] == pytest.approx(0.2)

    asyncio.run(run())


def test_keys_that_fail_together_do_not_come_back_together():
    async def run() -> None:
        timers = Timers()
        spread = iter([0.0, 1.0])
        queue = queue_with(timers, jitter=lambda: next(spread))
        queue.retry(A)
        queue.retry(B)
        assert timers.delays == pytest.approx([0.15, 0.25])

    asyncio.run(run())


def test_a_closed_queue_has_nothing_to_come():
    async def run() -> None:
        timers = Timers()
        queue = queue_with(timers)
        queue.add_after(A, 1)
        queue.close()
        assert timers.pending == []

    asyncio.run(run())


def test_a_reconcile_that_hangs_is_noticed():
    async def run() -> None:
        now = 100.0
        queue: WorkQueue[Key] = WorkQueue(monotonic=lambda: now)
        assert queue.longest() == 0.0
        queue.add(A)
        queue.add(B)
        await queue.get()
        now = 110.0
        await queue.get()
        now = 115.0
        assert queue.longest() == 15.0
        queue.done(A)
        assert queue.longest() == 5.0

    asyncio.run(run())


def test_a_reconcile_comes_back_when_it_wants_to():
    async def run() -> None:
        timers = Timers()
        queue = queue_with(timers)
        queue.add(A)
        await work_once(queue, lambda _: 42.0)
        assert timers.delays == [42.0]

    asyncio.run(run())


def test_a_success_starts_the_back_off_anew():
    async def run() -> None:
        timers = Timers()
        queue = queue_with(timers)
        for outcome in (TransientError("busy"), TransientError("busy"), None, TransientError("busy")):

            def process(_: Key, outcome: Exception | None = outcome) -> None:
                if outcome:
                    raise outcome

            queue.add(A)
            await work_once(queue, process)
            timers.fire()
            await taken(queue)
            queue.done(A) if outcome else None
        assert timers.delays == pytest.approx([0.2, 0.4, 0.2])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "level", "traceback"),
    [
        (ConflictError("changed"), logging.DEBUG, False),
        (TransientError("busy"), logging.WARNING, False),
        (ForbiddenError("cannot patch"), logging.ERROR, False),
        (KeyError("a mistake"), logging.ERROR, True),
    ],
)
def test_a_failure_is_logged_by_its_weight_and_tried_again(
    error: Exception, level: int, traceback: bool, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG, logger="ftps_operator.workqueue")
    caplog.handler.setFormatter(logs.JsonFormatter())

    def fail(_: Key) -> float | None:
        raise error

    async def run() -> None:
        timers = Timers()
        queue = queue_with(timers)
        queue.add(A)
        queue.add(B)
        await work_once(queue, fail)
        assert timers.delays == pytest.approx([0.2, 0.2])
        assert queue.longest() == 0.0

    asyncio.run(run())
    assert [(record.levelno, bool(record.exc_info)) for record in caplog.records] == [(level, traceback)] * 2
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    assert [Key(line["namespace"], line["name"]) for line in lines] == [A, B]


def test_an_overloaded_server_is_left_alone_for_as_long_as_it_asks():
    async def run() -> None:
        for asked, waited in ((9.0, 9.0), (3600.0, 60.0)):
            timers = Timers()
            queue = queue_with(timers)

            def fail(_: Key, asked: float = asked) -> float | None:
                raise TransientError("busy", retry_after=asked)

            queue.add(A)
            await work_once(queue, fail)
            assert timers.delays == [waited]

    asyncio.run(run())
