"""Puts the operator together, runs it, and stops it in order."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ftps_operator.api import ApiClient, KubernetesApi
from ftps_operator.cache import Cache
from ftps_operator.errors import ApiError, KindNotServedError
from ftps_operator.events import EventRecorder
from ftps_operator.handlers import Observe, watch
from ftps_operator.health import Health
from ftps_operator.kinds import CERTIFICATE, SECRET, WATCHED, Kind
from ftps_operator.leader import Leadership, LeadershipLostError
from ftps_operator.metrics import Metrics
from ftps_operator.naming import Manifest
from ftps_operator.reconcile import Reconciler
from ftps_operator.resync import Relist, look_again
from ftps_operator.secretpoll import SecretName, SecretPoll, named_pause, own_pause
from ftps_operator.settings import Settings
from ftps_operator.store import Store
from ftps_operator.workqueue import Key, WorkQueue, work

CERT_MANAGER_SECONDS = 30

Sleep = Callable[[float], Awaitable[None]]

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> int:
    """Run until a signal asks to stop. Returns the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    health = Health(metrics=metrics)
    probes = await health.serve(settings.health_port)
    beating = asyncio.create_task(health.beat())
    api = await KubernetesApi.connect(settings.kubeconfig, metrics)
    try:
        return await _lead(settings, api, health, metrics, stop)
    finally:
        beating.cancel()
        await api.close()
        await probes.cleanup()


async def _lead(settings: Settings, api: KubernetesApi, health: Health, metrics: Metrics, stop: asyncio.Event) -> int:
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
    metrics.leader.set(1)
    tasks = _tasks(settings, api, health, metrics, stop)
    if settings.leader_election:
        tasks.append(leadership.keep())
    code = await _run_all(tasks, stop)
    await leadership.release()
    return code


def _tasks(
    settings: Settings, api: KubernetesApi, health: Health, metrics: Metrics, stop: asyncio.Event
) -> list[Coroutine[Any, Any, None]]:
    queue: WorkQueue[Key] = WorkQueue(metrics=metrics)
    health.busy_seconds = queue.longest
    store = Store()
    metrics.watch_resources(lambda: {kind.kind: store.count(kind) for kind in WATCHED})
    cache = Cache(api, store, on_news=lambda owner: queue.add(Key(*owner)))
    relist = Relist(cache, store, queue.add, namespaces=settings.namespaces)

    async def version_of(name: SecretName) -> str | None:
        return await api.version(SECRET, *name)

    named: SecretPoll[Key] = SecretPoll(get_version=version_of, on_change=queue.add, pause=named_pause)
    own: SecretPoll[Key] = SecretPoll(get_version=version_of, on_change=queue.add, pause=own_pause)
    events = EventRecorder(api, instance=settings.identity)
    reconcile = Reconciler(
        cache=cache, settings=settings, events=events, named_secrets=named, own_secrets=own, metrics=metrics
    )
    listed = asyncio.Event()

    async def list_and_relist() -> None:
        await relist.first()
        listed.set()
        health.ready = True
        metrics.ready.set(1)
        await relist.run()

    async def watch_until_signal() -> None:
        await listed.wait()  # in some namespaces only, kopf does not find a kind that comes later
        await watch(settings, observer(store, relist, queue))
        # kopf has taken the signal handlers over: that it ends in peace is the signal.
        stop.set()
        await asyncio.Event().wait()

    async def work_when_listed() -> None:
        await listed.wait()  # or what is not known yet would count as missing
        await work(queue, reconcile)

    return [
        watch_until_signal(),
        list_and_relist(),
        look_again(store, queue.add, seconds=settings.resync_seconds),
        restart_for_certificates(settings, api, stop),
        named.run(),
        own.run(),
        *(work_when_listed() for _ in range(settings.workers)),
    ]


def observer(store: Store, relist: Relist, queue: WorkQueue[Key]) -> Observe:
    """What is done about an event: the store takes it in, and whose object it is, is looked at if that was news."""

    def observe(kind: Kind, event: str | None, live: Manifest) -> None:
        if event is None:
            relist.is_due(kind)
        for owner in store.remove(kind, live) if event == "DELETED" else store.observe(kind, live):
            queue.add(Key(*owner))

    return observe


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
