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
from ftps_operator.kinds import CERTIFICATE, FTPS_USER, SECRET, WATCHED, Kind
from ftps_operator.leader import Leadership, LeadershipLostError
from ftps_operator.metrics import Metrics
from ftps_operator.naming import Manifest
from ftps_operator.reconcile import Reconciler
from ftps_operator.resync import Relist, look_again
from ftps_operator.secretpoll import SecretName, SecretPoll, named_pause, own_pause
from ftps_operator.secretview import SecretView
from ftps_operator.serverusers import ServerUsers
from ftps_operator.settings import Settings
from ftps_operator.statuswriter import StatusWriter
from ftps_operator.store import News, Owner, Store
from ftps_operator.userentry import secrets_of_users
from ftps_operator.userwriter import UserStatusWriter
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
    if settings.leader_election:
        api.may_write = leadership.is_held
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
    user_queue: WorkQueue[Key] = WorkQueue()
    health.busy_seconds = lambda: max(queue.longest(), user_queue.longest())
    named = _secret_poll(api, queue, pause=lambda count: named_pause(count, len(own)))
    own = _secret_poll(api, queue, pause=lambda count: own_pause(count, len(named)))
    on_news = news(queue, named)
    store = Store()
    metrics.watch_resources(lambda: {kind.kind: store.count(kind) for kind in WATCHED})
    cache = Cache(api, store, on_news)
    relist = Relist(cache, store, queue.add, namespaces=settings.namespaces, seconds=settings.relist_seconds)
    events = EventRecorder(api, instance=settings.identity)
    write_status = StatusWriter(cache=cache, events=events, metrics=metrics)
    writer = UserStatusWriter(cache=cache, write_status=write_status, add=user_queue.add)
    users = ServerUsers(settings=settings, cache=cache, secrets=named, writer=writer)
    reconcile = Reconciler(
        cache=cache,
        settings=settings,
        write_status=write_status,
        named_secrets=named,
        own_secrets=own,
        users=users,
        metrics=metrics,
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
        await watch(settings, observer(store, relist, user_queue, on_news))
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
        *(work(user_queue, writer) for _ in range(settings.workers)),
    ]


def _secret_poll(api: ApiClient, queue: WorkQueue[Key], *, pause: Callable[[int], float | None]) -> SecretPoll[Key]:
    async def get(name: SecretName) -> SecretView | None:
        secret = await api.get(SECRET, *name)
        return SecretView.of(secret) if secret else None

    async def version_of(name: SecretName) -> str | None:
        return await api.version(SECRET, *name)

    return SecretPoll(get=get, get_version=version_of, on_change=queue.add, pause=pause)


def news(queue: WorkQueue[Key], secrets: SecretPoll[Key]) -> News:
    """What is done about news: whose object it is, is looked at."""

    def tell(kind: Kind, live: Manifest, owners: set[Owner]) -> None:
        # Whoever changes a user may do so for the Secret's sake: the next look at that may be most of a minute away.
        for name in secrets_of_users(kind, live):
            secrets.drop(name)
        for owner in owners:
            queue.add(Key(*owner))

    return tell


def observer(store: Store, relist: Relist, user_queue: WorkQueue[Key], on_news: News) -> Observe:
    """What is done about an event: the store takes it in, and passes it on if that was news."""

    def observe(kind: Kind, event: str | None, live: Manifest) -> None:
        if event is None:
            relist.is_due(kind)
        owners = store.remove(kind, live) if event == "DELETED" else store.observe(kind, live)
        if kind == FTPS_USER:
            # Its status may have been edited.
            user_queue.add(Key(live["metadata"]["namespace"], live["metadata"]["name"]))
        if owners:
            on_news(kind, live, owners)

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
