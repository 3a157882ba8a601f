import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ftps_operator.errors import ConflictError, TransientError
from ftps_operator.workqueue import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, WorkQueue, work

Timers = list[tuple[float, Callable[[], None]]]


class Timer:
    """In place of the loop's: due when the test says so."""

    def __init__(self, when: float) -> None:
        self._when = when
        self.cancelled = False

    def when(self) -> float:
        return self._when

    def cancel(self) -> None:
        self.cancelled = True


def queue_with_timers() -> tuple["WorkQueue[str]", Timers]:
    timers: Timers = []

    def call_later(seconds: float, call: Callable[[], None]) -> Any:
        timers.append((seconds, call))
        return Timer(asyncio.get_running_loop().time() + seconds)

    return WorkQueue(call_later=call_later, jitter=lambda: 0.5), timers


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 5))


async def nothing_is_ready(queue: "WorkQueue[str]") -> bool:
    task = asyncio.ensure_future(queue.get())
    for _ in range(3):
        await asyncio.sleep(0)
    ready = task.done()
    task.cancel()
    return not ready


def test_a_key_added_twice_is_worked_on_once():
    async def test() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        queue.add("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert await nothing_is_ready(queue)

    run(test)


def test_a_key_added_while_it_is_worked_on_comes_again_and_never_twice_at_once():
    async def test() -> None:
        queue: WorkQueue[str] = WorkQueue()
        queue.add("a")
        assert await queue.get() == "a"
        queue.add("a")
        assert await nothing_is_ready(queue)
        queue.done("a")
        assert await queue.get() == "a"

    run(test)


def test_the_earliest_time_asked_for_wins():
    async def test() -> None:
        queue, timers = queue_with_timers()
        queue.add_after("a", 10)
        queue.add_after("a", 20)
        queue.add_after("a", 5)
        assert [seconds for seconds, _ in timers] == [10, 5]
        timers[-1][1]()
        assert await queue.get() == "a"

    run(test)


def test_each_failure_waits_longer_up_to_a_limit_and_success_forgets():
    async def test() -> None:
        queue, timers = queue_with_timers()
        for _ in range(12):
            queue.retry("a")
            timers[-1][1]()
        delays = [seconds for seconds, _ in timers]
        assert delays[:3] == [FIRST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2, FIRST_RETRY_SECONDS * 4]
        assert delays[-1] == LAST_RETRY_SECONDS
        queue.forget("a")
        queue.retry("a")
        assert timers[-1][0] == FIRST_RETRY_SECONDS

    run(test)


def test_a_worker_outlives_every_failure():
    async def test() -> None:
        queue, timers = queue_with_timers()
        failures: list[Exception] = [ConflictError("x"), TransientError("x"), ValueError("a bug")]
        done = asyncio.Event()

        async def process(_: str) -> float | None:
            if failures:
                raise failures.pop(0)
            done.set()
            return 30.0

        worker = asyncio.ensure_future(work(queue, process))
        queue.add("a")
        while not done.is_set():
            await asyncio.sleep(0)
            if timers:
                timers.pop()[1]()
        await asyncio.sleep(0)
        assert [seconds for seconds, _ in timers] == [30.0]
        worker.cancel()

    run(test)
