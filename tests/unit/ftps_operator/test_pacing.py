import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from ftps_operator.pacing import LAST_SECONDS, STEADY_SECONDS, Pace, middleware


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def pace(clock: Clock, jitter: float = 1.0) -> Pace:
    return Pace(monotonic=clock.monotonic, jitter=lambda: jitter)


def pauses(clock: Clock, made: Pace, *lives: float) -> list[float]:
    """How long a watch waits to be opened, each time after it has lived for so long."""
    found = []
    for life in lives:
        found.append(made.pause("watch /pods"))
        clock.now += found[-1] + life
    return found


def test_a_watch_that_ends_at_once_is_opened_less_and_less_often():
    clock = Clock()
    assert pauses(clock, pace(clock), *[0.0] * 9) == [0, 1, 2, 4, 8, 16, LAST_SECONDS, LAST_SECONDS, LAST_SECONDS]


def test_a_watch_that_lives_is_opened_at_once():
    clock = Clock()
    assert pauses(clock, pace(clock), 0, 0, 0, STEADY_SECONDS, 600, 600) == [0, 1, 2, 4, 0, 0]


def test_watches_that_end_together_are_not_opened_together():
    clock = Clock()
    assert pauses(clock, pace(clock, 0.0), 0, 0, 0) == [0, 0.5, 1]


def test_each_sequence_has_a_pace_of_its_own():
    clock = Clock()
    made = pace(clock)
    assert [made.pause("a"), made.pause("b"), made.pause("a"), made.pause("b")] == [0, 0, 1, 1]


def ask(status: int, *paths: str) -> tuple[list[tuple[int, str]], list[float]]:
    """What a server's answer of this status becomes, and how long the requests have waited."""
    clock = Clock()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=str(status))

    async def run() -> list[tuple[int, str]]:
        runner = web.ServerRunner(web.Server(answer))  # type: ignore[arg-type]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host = f"http://127.0.0.1:{runner.addresses[0][1]}"
        heard = []
        try:
            async with aiohttp.ClientSession(middlewares=[middleware(pace(clock), sleep=clock.sleep)]) as session:
                for path in paths:
                    async with session.get(host + path) as response:
                        chunks = [chunk async for chunk in response.content.iter_chunked(1000)]
                        heard.append((response.status, b"".join(chunks).decode()))
        finally:
            await runner.cleanup()
        return heard

    return asyncio.run(run()), clock.pauses


@pytest.mark.parametrize("status", [408, 409, 500, 503])
@pytest.mark.parametrize("query", ["watch=true", "limit=100"])
def test_an_error_that_would_end_kopf_is_one_that_passes(status: int, query: str):
    assert ask(status, f"/pods?{query}")[0] == [(429, str(status))]


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429])
@pytest.mark.parametrize("query", ["watch=true", "limit=100"])
def test_what_kopf_understands_it_is_told(status: int, query: str):
    assert ask(status, f"/pods?{query}")[0] == [(status, str(status))]


def test_a_watch_that_is_answered_410_ends_as_the_api_server_would_end_it():
    ((status, text),), _ = ask(410, "/pods?watch=true&resourceVersion=1")
    assert status == 200
    assert json.loads(text) == {"type": "ERROR", "object": {"kind": "Status", "code": 410}}


def test_a_list_that_is_answered_410_is_begun_anew():
    with pytest.raises(aiohttp.ClientPayloadError):
        ask(410, "/pods?limit=100&continue=token")


def test_lists_and_watches_wait_the_pages_of_a_list_do_not():
    paths = ("/pods?limit=100", "/pods?limit=100&continue=a", "/pods?limit=100&continue=b", "/pods?watch=true")
    assert ask(200, *paths)[1] == [0, 0]
    assert ask(200, "/pods?watch=true", "/pods?watch=true", "/services?watch=true")[1] == [0, 1, 0]


def test_what_is_asked_once_does_not_wait():
    assert ask(500, "/apis", "/apis", "/apis") == ([(500, "500")] * 3, [])


def test_who_is_not_let_in_does_not_knock_all_the_time():
    assert ask(401, "/apis", "/apis", "/apis")[1] == [0, 1, 2]
