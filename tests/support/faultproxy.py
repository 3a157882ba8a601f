"""An HTTP proxy before the API server: it notes what one client asks, and answers some of it with a fault.

What to do about a request a function says, which the proxy's event loop calls for each one: it must not block.
"""

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

READS = ("GET", "HEAD")
# They belong to one connection, or are about the encoding of what aiohttp has decoded.
_OF_THE_CONNECTION = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass(slots=True)
class Request:
    """A request, as the proxy has seen it. Times are of this machine's monotonic clock."""

    method: str
    path: str
    query: Mapping[str, str]
    client: str
    """Its User-Agent."""
    at: float
    is_spoilt: bool = False
    """Whether there was a fault."""
    forwarded: float | None = None
    """When it was sent on; None: it never was."""
    ended: float | None = None
    """When the answer had been received."""
    status: int | None = None

    @property
    def is_lease(self) -> bool:
        return "/leases" in self.path

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query

    @property
    def is_list(self) -> bool:
        return "limit" in self.query

    @property
    def is_write(self) -> bool:
        return self.method not in READS and not self.is_lease and "dryRun" not in self.query

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Forward:
    """Send it on. `then`: what happens once the API server has carried it out; the client hears of nothing then."""

    then: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with an error of the API server's kind."""

    status: int
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hang:
    """Take it, and never answer. Once the client has given up it is forgotten."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Close the connection without a word."""


@dataclass(frozen=True, slots=True)
class Events:
    """Send a watch on, and choose which lines of the answer the client gets. None: the stream is half-closed here."""

    choose: Callable[[bytes], bytes | None]


Action = Forward | Answer | Hang | Refuse | Events
Decide = Callable[[Request], Action]


def forward(_: Request) -> Action:
    """No fault."""
    return Forward()


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """One for all proxies, which runs until the tests end: connections take a while to close."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


class FaultProxy:
    """One client's way to the API server."""

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._server = server
        self._context = context
        self._loop = _event_loop()
        self._open: set[asyncio.Transport] = set()
        self.decide: Decide = forward
        self.requests: list[Request] = []
        self.silent = False
        """Whether watches that go on are told nothing any more."""
        self.url = ""

    def __enter__(self) -> Self:
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)

    def cut(self) -> None:
        """Reset every connection with the client."""

        def abort() -> None:
            for transport in self._open:
                transport.abort()

        self._loop.call_soon_threadsafe(abort)

    async def _start(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._context)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, handler_cancellation=True), shutdown_timeout=0
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._runner = runner
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        transport = incoming.transport
        assert isinstance(transport, asyncio.Transport)
        self._open = {each for each in self._open if not each.is_closing()} | {transport}
        client = incoming.headers.get("User-Agent", "")
        request = Request(incoming.method, incoming.path, dict(incoming.query), client, time.monotonic())
        body = await incoming.read()
        self.requests.append(request)
        action = self.decide(request)
        request.is_spoilt = action != Forward()
        # Either side may go away at any time.
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            return await self._act(action, request, incoming, body)
        return web.Response()

    async def _act(
        self, action: Action, request: Request, incoming: web.BaseRequest, body: bytes
    ) -> web.StreamResponse:
        match action:
            case Answer(status, reason, headers):
                request.status = status
                return web.json_response(_failure(status, reason), status=status, headers=headers)
            case Hang():
                await asyncio.Event().wait()  # until the client has closed the connection
            case Refuse():
                assert incoming.transport is not None
                incoming.transport.abort()
            case Forward(then):
                return await self._forward(request, incoming, body, then=then)
            case Events(choose):
                return await self._forward(request, incoming, body, choose=choose)
        return web.Response()  # nobody gets it: the connection is closed

    async def _forward(
        self,
        request: Request,
        incoming: web.BaseRequest,
        body: bytes,
        *,
        then: Callable[[], None] | None = None,
        choose: Callable[[bytes], bytes | None] | None = None,
    ) -> web.StreamResponse:
        headers = {name: value for name, value in incoming.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        headers["Accept-Encoding"] = "identity"
        url = URL(self._server + incoming.raw_path, encoded=True)
        request.forwarded = time.monotonic()
        async with self._session.request(incoming.method, url, headers=headers, data=body or None) as answer:
            request.status = answer.status
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION}
            if not request.is_watch:
                content = await answer.read()
                request.ended = time.monotonic()
                if then is not None:
                    then()
                    await asyncio.Event().wait()
                return web.Response(status=answer.status, headers=kept, body=content)
            outgoing = web.StreamResponse(status=answer.status, headers=kept)
            await outgoing.prepare(incoming)
            async for line in _lines(answer.content):
                if self.silent:
                    await asyncio.Event().wait()
                chosen = choose(line) if choose is not None else line
                if chosen is None:
                    await _half_close(incoming)
                if chosen:
                    await outgoing.write(chosen)
            return outgoing


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """At first an empty one: a stream may end before its first event. Lines may be longer than a stream's buffer."""
    yield b""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"


async def _half_close(incoming: web.BaseRequest) -> None:
    """Say that no more will come, without the end that the encoding has, and listen until the client has had enough."""
    transport = incoming.transport
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        transport.write_eof()
        await asyncio.Event().wait()


def _failure(status: int, reason: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"a fault, for a test: {status}",
        "reason": reason,
        "details": {},
        "code": status,
    }


def error_event(status: int, reason: str) -> bytes:
    """A watch's word that it cannot go on."""
    return json.dumps({"type": "ERROR", "object": _failure(status, reason)}).encode() + b"\n"


@contextmanager
def fault_proxy(server: str, ca: str) -> Iterator[FaultProxy]:
    """Stand before an API server; `ca`: its authority's certificate, PEM."""
    with FaultProxy(server, ssl.create_default_context(cadata=ca)) as proxy:
        yield proxy
