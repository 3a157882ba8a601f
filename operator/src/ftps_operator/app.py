"""Puts the operator together, runs it, and stops it in order."""

import asyncio
import contextlib
import logging
import os
import random
import signal
from collections.abc import Coroutine
from typing import Any

from ftps_operator.api import KubernetesApi
from ftps_operator.events import EventRecorder
from ftps_operator.handlers import watch
from ftps_operator.health import Health
from ftps_operator.kinds import FTPS_SERVER, SECRET
from ftps_operator.leader import Leadership, LeadershipLostError
from ftps_operator.reconcile import Reconciler
from ftps_operator.secretpoll import SecretName, SecretPoll
from ftps_operator.settings import Settings
from ftps_operator.workqueue import Key, WorkQueue, work

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> int:
    """Run until a signal asks to stop. Returns the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    health = Health()
    probes = await health.serve(settings.health_port)
    beating = asyncio.create_task(health.beat())
    api = await KubernetesApi.connect(settings.kubeconfig)
    try:
        return await _lead(settings, api, health, stop)
    finally:
        beating.cancel()
        await api.close()
        await probes.cleanup()


async def _lead(settings: Settings, api: KubernetesApi, health: Health, stop: asyncio.Event) -> int:
    leadership = Leadership(
        api,
        namespace=settings.operator_namespace,
        name=settings.lease_name,
        identity=settings.identity,
    )
    if settings.leader_election:
        # A standby is Ready: a rollout of the operator waits for it.
        health.ready = True
        if not await _first(leadership.acquire(), stop):
            return 0
    tasks = _tasks(settings, api, health, stop)
    if settings.leader_election:
        tasks.append(leadership.keep())
    code = await _run_all(tasks, stop)
    await leadership.release()
    return code


def _tasks(
    settings: Settings, api: KubernetesApi, health: Health, stop: asyncio.Event
) -> list[Coroutine[Any, Any, None]]:
    queue: WorkQueue[Key] = WorkQueue()

    async def version_of(name: SecretName) -> str | None:
        secret = await api.get(SECRET, *name)
        return secret["metadata"]["resourceVersion"] if secret else None

    secrets: SecretPoll[Key] = SecretPoll(get_version=version_of, on_change=queue.add)
    events = EventRecorder(api, instance=settings.identity)
    reconcile = Reconciler(api=api, settings=settings, events=events, secrets=secrets)

    async def watch_until_signal() -> None:
        await watch(settings, queue.add)
        # kopf has taken the signal handlers over: that it ends in peace is the signal.
        stop.set()
        await asyncio.Event().wait()

    return [
        watch_until_signal(),
        resync(settings, api, queue, health),
        secrets.run(),
        *(work(queue, reconcile) for _ in range(settings.workers)),
    ]


async def resync(settings: Settings, api: KubernetesApi, queue: WorkQueue[Key], health: Health) -> None:
    """Look at every server from time to time: a watch that was interrupted may have missed a change."""
    while True:
        for namespace in settings.namespaces or (None,):
            for server in await api.list(FTPS_SERVER, namespace):
                queue.add(Key(server["metadata"]["namespace"], server["metadata"]["name"]))
        health.ready = True
        await asyncio.sleep(settings.resync_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter


async def _first(waiting: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Wait for something, or for the signal. Returns whether it was the former."""
    task = asyncio.create_task(waiting)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return False


async def _run_all(coroutines: list[Coroutine[Any, Any, None]], stop: asyncio.Event) -> int:
    """Run tasks that never end. The first that does ends the process: half an operator is worse than none."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    for task in done - {stopping}:
        error = task.exception()
        logger.critical("ends because a part has ended: %s", error or "without an error", exc_info=error)
        if isinstance(error, LeadershipLostError):
            # Whatever is under way must not write any more: another operator leads by now.
            os._exit(1)
        code = 1
    for task in (*tasks, stopping):
        task.cancel()
    await asyncio.gather(*tasks, stopping, return_exceptions=True)
    return code
