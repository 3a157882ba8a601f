"""The probes: /livez (the event loop turns, no worker hangs), /readyz (all servers are known, or another one leads)."""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

BEAT_SECONDS = 1.0
MAX_LAG_SECONDS = 30.0
MAX_BUSY_SECONDS = 120.0
"""Each request times out by itself, so a reconcile that takes this long hangs."""


class Health:
    """What the kubelet is told."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._beat = monotonic()
        self.ready = False
        self.busy_seconds: Callable[[], float] = lambda: 0.0
        """For how long the longest reconcile has been running."""

    async def beat(self) -> None:
        """Notice for ever that the event loop turns."""
        while True:
            self._beat = self._monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether the event loop has turned lately, and every worker gets on."""
        return self._monotonic() - self._beat < MAX_LAG_SECONDS and self.busy_seconds() < MAX_BUSY_SECONDS

    async def serve(self, port: int) -> web.AppRunner:
        """Start to answer. The caller cleans the runner up."""
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
        return runner

    async def _livez(self, _: web.Request) -> web.Response:
        return _answer(self.alive)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self.ready)


def _answer(good: bool) -> web.Response:
    return web.Response(text="ok\n", status=200) if good else web.Response(text="not ok\n", status=503)
