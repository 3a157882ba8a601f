"""Notices changed files, and reads them while sessions go on."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ftps_server.config import ConfigError
from ftps_server.logs import event, warn
from ftps_server.metrics import Metrics

POLL_SECONDS = 0.5

_Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(slots=True)
class WatchedFiles:
    """Files that are read together. `load` raises ConfigError, then what was loaded before stands."""

    name: str
    paths: tuple[Path, ...]
    load: Callable[[], None]
    seen: _Signature = field(init=False)
    """As of the last load. Make this object before the first, or a change in between goes unseen."""
    problem: str | None = field(default=None, init=False)
    """Why the last load failed."""

    def __post_init__(self) -> None:
        self.seen = self.signature()

    def signature(self) -> _Signature:
        """Differs when a file was replaced, also by a link to another one (as the kubelet does it)."""
        return tuple(_stat(path) for path in self.paths)


class Reloader:
    """Looks at files from time to time."""

    def __init__(self, files: list[WatchedFiles], metrics: Metrics) -> None:
        self._files = files
        self._metrics = metrics

    def poll(self) -> None:
        """Load what has changed since the last look, and what could not be loaded then."""
        for watched in self._files:
            # Taken before the files are read: should they change meanwhile, the next look sees it.
            signature = watched.signature()
            if signature != watched.seen or watched.problem is not None:
                self._load(watched, signature)

    def _load(self, watched: WatchedFiles, signature: _Signature) -> None:
        changed, watched.seen = signature != watched.seen, signature
        try:
            watched.load()
        except ConfigError as error:
            if changed or watched.problem != str(error):
                self._metrics.reloads.labels(watched.name, "failed").inc()
                warn("reload failed", file=watched.name, error=str(error))
            watched.problem = str(error)
        else:
            watched.problem = None
            self._metrics.reloads.labels(watched.name, "ok").inc()
            event("reloaded", file=watched.name)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a hot path: pathlib makes it thrice as slow
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)
