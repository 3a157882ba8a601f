"""What must hold when every client is gone."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ftps_server.uploads import STAGING
from soak import anything
from soak.content import Content
from soak.scene import ACCOUNTS, BIG, SHARED, Scene, ServerProcess
from soak.worker import Worker

_KEPT_LOG_LINES = 20
_GAUGES = ("ftps_server_sessions", "ftps_server_passive_ports_in_use", "ftps_server_hook_queue")


def leftovers(server: ServerProcess, descriptors: dict[str, int], threads: int) -> list[str]:
    """What is there still, that should have gone by itself."""
    metrics = server.metrics()
    found = [f"{name} is {metrics[name]:g}" for name in _GAUGES if metrics[name]]
    if (now := server.descriptors()) != descriptors:
        found.append(f"descriptors are {now}, were {descriptors}")
    if (number := server.threads()) > threads:
        found.append(f"{number} threads, not {threads} at most")
    return found


def staged(scene: Scene, workers: Sequence[Worker]) -> tuple[int, list[str]]:
    """How many cut-off uploads are kept; what should not be among the staged files."""
    kept, wrong = 0, []
    for account in ACCOUNTS:
        home = scene.home(account.name)
        paths = [worker.folder / name for worker in workers if worker.account is account for name in worker.cut]
        paths += [home / name[1:] for name in (*anything.NAMES, *map(anything.own, workers))]
        cut = {hashlib.sha256(os.fsencode(path)).hexdigest()[:32] for path in paths}
        folder = home / STAGING
        for path in folder.iterdir() if folder.exists() else ():
            kind, _, digest = path.name.partition("-")
            if kind == "partial" and digest in cut:
                kept += 1
            else:
                wrong.append(f"{account.name}: {path.name}, {path.stat().st_size} bytes")
    return kept, wrong


def files(scene: Scene, workers: Sequence[Worker]) -> list[str]:
    """Files that are not what was uploaded."""
    return [
        *(problem for worker in workers for problem in _files_of(worker)),
        *(problem for account in ACCOUNTS for problem in _files_of_all(scene, scene.home(account.name))),
    ]


def _files_of(worker: Worker) -> Iterator[str]:
    pool = worker.scene.pool
    found = {path.name for path in worker.folder.iterdir() if path.is_file()}
    for name in sorted(found | set(worker.files)):
        contents = worker.before(name)
        if not any(
            _holds(worker.folder / name, content, pool.view(content) if content else b"") for content in contents
        ):
            there = (worker.folder / name).stat().st_size if name in found else None
            yield f"{worker.name}/{name} has {there} bytes, and is none of {contents}"


def _holds(path: Path, content: Content | None, wanted: memoryview | bytes) -> bool:
    return path.exists() and path.read_bytes() == wanted if content is not None else not path.exists()


def _files_of_all(scene: Scene, home: Path) -> Iterator[str]:
    if (home / BIG[1:]).read_bytes() != scene.pool.data:
        yield f"{home.name}{BIG} has changed"
    for path in (home / SHARED[1:]).iterdir():
        received = path.read_bytes()
        try:
            scene.pool.check(scene.pool.recognize(received), received)
        except AssertionError as error:
            yield f"{home.name}{SHARED}/{path.name}: {error}"


def quotas(scene: Scene, metrics: dict[str, float]) -> list[str]:
    """Homes that hold something else than is counted."""
    wrong = []
    for account in ACCOUNTS:
        sizes = [path.stat().st_size for path in scene.home(account.name).rglob("*") if path.is_file()]
        for what, real in (("bytes", sum(sizes)), ("files", len(sizes))):
            counted = metrics.get(f'ftps_server_quota_used_{what}{{home="/{account.name}"}}')
            if counted is not None and counted != real:
                wrong.append(f"{account.name}: {counted:.0f} {what} counted, {real} there")
    return wrong


def log(path: Path) -> tuple[dict[str, int], list[str]]:
    """How many events of each name; lines that tell of an error."""
    events: dict[str, int] = {}
    errors: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                errors.append(line[:2000])
                continue
            events[event["event"]] = events.get(event["event"], 0) + 1
            if event["level"] not in {"info", "warning"} or "exception" in event:
                errors.append(line[:4000])
    return dict(sorted(events.items())), errors[:_KEPT_LOG_LINES]
