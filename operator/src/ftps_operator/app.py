"""Puts the operator together, runs it, and stops it in order."""

import asyncio
import contextlib
import logging
import os
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ftps_operator.api import ApiClient, KubernetesApi
from ftps_operator.errors import ApiError, KindNotServedError
from ftps_operator.events import EventRecorder
from ftps_operator.handlers import watch
from ftps_operator.health import Health
from ftps_operator.kinds import CERTIFICATE, FTPS_SERVER, SECRET
from ftps_operator.leader import Leadership, LeadershipLostError
from ftps_operator.reconcile import Reconciler
from ftps_operator.secretpoll import SecretName, SecretPoll
from ftps_operator.settings import Settings
from ftps_operator.workqueue import Key, WorkQueue, work

RELIST_SECONDS = 5
"""How soon the servers are listed again where that has failed."""
CERT_MANAGER_SECONDS = 30

Sleep = Callable[[float], Awaitable[None]]

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

        def standby() -> None:
            health.ready = True  # a rollout of the operator waits for it

        if not await _first(leadership.acquire(on_standby=standby), stop):
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
    health.busy_seconds = queue.longest

    async def version_of(name: SecretName) -> str | None:
        secret = await api.get(SECRET, *name)
        return secret["metadata"]["resourceVersion"] if secret else None

    secrets: SecretPoll[Key] = SecretPoll(get_version=version_of, on_change=queue.add)
    events = EventRecorder(api, instance=settings.identity)
    reconcile = Reconciler(api=api, settings=settings, events=events, secrets=secrets)

    listed = asyncio.Event()

    def on_listed() -> None:
        listed.set()
        health.ready = True

    async def watch_until_signal() -> None:
        await listed.wait()  # in some namespaces only, kopf does not find a kind that comes later
        await watch(settings, queue.add)
        # kopf has taken the signal handlers over: that it ends in peace is the signal.
        stop.set()
        await asyncio.Event().wait()

    return [
        watch_until_signal(),
        resync(settings, api, queue.add, on_listed=on_listed),
        restart_for_certificates(settings, api, stop),
        secrets.run(),
        *(work(queue, reconcile) for _ in range(settings.workers)),
    ]


async def resync(
    settings: Settings,
    api: ApiClient,
    add: Callable[[Key], None],
    *,
    on_listed: Callable[[], None],
    sleep: Sleep = asyncio.sleep,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Look at every server from time to time: a watch that was interrupted may have missed a change."""
    while True:
        failed = 0
        namespaces = settings.namespaces or (None,)
        for namespace in namespaces:
            try:
                servers = await api.list(FTPS_SERVER, namespace)
            except ApiError as error:
                logger.warning("the servers of %s cannot be listed: %s", namespace or "the cluster", error)
                failed += 1
                continue
            for server in servers:
                add(Key(server["metadata"]["namespace"], server["metadata"]["name"]))
        if failed < len(namespaces):
            on_listed()
        pause = min(RELIST_SECONDS, settings.resync_seconds) if failed else settings.resync_seconds
        await sleep(pause * (0.8 + 0.4 * jitter()))


async def restart_for_certificates(
    settings: Settings, api: ApiClient, stop: asyncio.Event, *, sleep: Sleep = asyncio.sleep
) -> None:
    """End when cert-manager arrives, where the operator may not watch CRDs: kopf scans for kinds at its start only."""
    missing = False
    while settings.namespaces:
        try:
            await api.get(CERTIFICATE, settings.namespaces[0], "any")
            break
        except KindNotServedError:
            missing = True
        except ApiError as error:
            logger.debug("cannot find out whether Certificates are served: %s", error)
        await sleep(CERT_MANAGER_SECONDS)
    if missing:
        logger.info("cert-manager has been installed: ending, to watch its Certificates from the next start on")
        stop.set()
    await asyncio.Event().wait()


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
