"""How kopf's requests for lists and watches reach the API server: at a pace, and so that no answer ends kopf.

kopf opens a watch that has ended again at once, for ever. Where each ends as soon as it has begun (something in between
closes long answers, or the API server says "too old" each time), that is hundreds of requests a second. And kopf ends,
with the operator in it, when a list or a watch is answered with an error that it does not expect.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp.streams import EmptyStreamReader

FIRST_SECONDS = 1.0
LAST_SECONDS = 20.0
"""kopf gives a list 30 s, and the pause is a part of it."""
STEADY_SECONDS = 30.0
"""A request that comes so long after the one before it is no repetition."""
ANSWER_SECONDS = 20.0
"""How long a watch may take to begin: the API server says at once that it has."""

Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """How long to wait before each request of a sequence: nothing, unless they come in quick succession."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self._monotonic = monotonic
        self._jitter = jitter
        self._last: dict[str, float] = {}
        self._pauses: dict[str, float] = {}

    def pause(self, sequence: str) -> float:
        """Seconds until the next request of a sequence may begin. Who asks must wait for so long, then send it."""
        now = self._monotonic()
        last = self._last.get(sequence)
        if last is None or now - last >= STEADY_SECONDS:
            self._pauses.pop(sequence, None)
            wait = 0.0
        else:
            pause = min(2 * self._pauses.get(sequence, FIRST_SECONDS / 2), LAST_SECONDS)
            self._pauses[sequence] = pause
            wait = pause * (0.5 + self._jitter() / 2)  # not all kinds at the same moment
        self._last[sequence] = now + wait
        return wait


class _TooOld(EmptyStreamReader):
    """The stream of a watch that says nothing else: kopf lists anew then."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410}}).encode()

    async def read(self, n: int = -1) -> bytes:  # noqa: ARG002
        said, self._rest = self._rest, b""
        return said


def middleware(pace: Pace, *, sleep: Sleep = asyncio.sleep) -> aiohttp.ClientMiddlewareType:
    """For kopf's session."""

    async def paced(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        query = request.url.query
        if "watch" not in query and "limit" not in query:
            return await unrefused(await handler(request))
        is_watch = "watch" in query
        if "continue" not in query:
            await sleep(pace.pause(f"{'watch' if is_watch else 'list'} {request.url.path}"))
        async with asyncio.timeout(ANSWER_SECONDS):
            response = await handler(request)
        return await unrefused(_understood(response, is_watch=is_watch))

    async def unrefused(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
        if response.status == 401:  # kopf logs in anew, at once
            await sleep(pace.pause("login"))
        return response

    return paced


def _understood(response: aiohttp.ClientResponse, *, is_watch: bool) -> aiohttp.ClientResponse:
    """An answer as kopf can go on with it."""
    if response.status == 410 and is_watch:
        response.status = 200
        response.content = _TooOld()
    elif response.status == 410:
        response.close()
        raise aiohttp.ClientPayloadError("the list has become too old between two of its pages")
    elif response.status in (408, 409) or response.status >= 500:
        # Of all errors this is the one that kopf takes for one that passes, however long it lasts.
        response.status = 429
    return response
