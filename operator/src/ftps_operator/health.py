"""The probes, and the metrics.

/livez: the event loop turns, and no worker hangs. /readyz: all servers are known, or another operator leads.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ftps_operator.metrics import Metrics

BEAT_SECONDS = 1.0
MAX_LAG_SECONDS = 30.0
MAX_BUSY_SECONDS = 120.0
"""Each request times out by itself, so a reconcile that takes this long hangs."""


class Health:
    """What the kubelet is told."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic, metrics: Metrics | None = None) -> None:
        self._monotonic = monotonic
        self._metrics = metrics or Metrics()
        self._beat = monotonic()
        self.ready = False
        self.busy_seconds: Callable[[], float] = lambda: 0.0
        """For how long the longest reconcile has been running."""

    async def beat(self) -> None:
        """Notice for ever that the event loop turns."""
        while True:
            self._beat = self._monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            self._metrics.loop_lag.observe(max(self._monotonic() - self._beat - BEAT_SECONDS, 0.0))

    def trouble(self) -> str:
        """Why the process had better be started anew; empty if nothing is wrong."""
        if (late := self._monotonic() - self._beat) >= MAX_LAG_SECONDS:
            return f"the event loop has not turned for {late:.0f} s"
        if (busy := self.busy_seconds()) >= MAX_BUSY_SECONDS:
            return f"a reconcile has been running for {busy:.0f} s"
        return ""

    async def serve(self, port: int) -> web.AppRunner:
        """Start to answer. The caller cleans the runner up."""
        application = web.Application()
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._answer_metrics)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, port=port).start()
        return runner

    async def _livez(self, _: web.Request) -> web.Response:
        return _answer(self.trouble())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer("" if self.ready else "the servers have not been listed yet, and no other operator leads")

    async def _answer_metrics(self, _: web.Request) -> web.Response:
        text = generate_latest(self._metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answer(trouble: str) -> web.Response:
    return web.Response(text=f"{trouble or 'ok'}\n", status=503 if trouble else 200)
