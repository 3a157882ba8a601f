"""What is counted, what has failed, and what the server was seen to use."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from soak.scene import ServerProcess

SAMPLE_SECONDS = 1.0
MAX_TOLD = 50
"""More failures are counted only."""
FLAT_SHARE, FLAT_MIB = 0.10, 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the process. Memory in MiB."""

    seconds: float
    rss: float
    pss: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that should have gone well."""

    seconds: float
    worker: str
    what: str
    error: str
    trace: str
    dialogue: list[str]
    starved: float
    """How late a thread of this process was at most, lately: what the machine did not let run."""


@dataclass
class Figures:
    """All of one soak. Safe from any thread."""

    started: float = field(default_factory=time.monotonic)
    done: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, **numbers: int) -> None:
        with self._lock:
            self.counts.update(numbers)

    def did(self, kind: str, what: str) -> None:
        """One more action (`done`) or fault (`faults`)."""
        with self._lock:
            (self.faults if kind == "fault" else self.done)[what] += 1

    def fail(self, worker: str, what: str, error: Exception, *, dialogue: Iterable[str], starved: float) -> None:
        """Something has gone wrong that should not have."""
        told = Failure(
            round(time.monotonic() - self.started, 2),
            worker,
            what,
            f"{type(error).__name__}: {error}",
            "".join(traceback.format_exception(error)[-6:]),
            list(dialogue),
            round(starved, 2),
        )
        with self._lock:
            self.failed[what] += 1
            if len(self.failures) < MAX_TOLD:
                self.failures.append(told)


class Sampler(threading.Thread):
    """Looks at the process once a second."""

    def __init__(self, server: ServerProcess, figures: Figures) -> None:
        super().__init__(name="sampler", daemon=True)
        self._server = server
        self._figures = figures
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            try:
                rss, pss = self._server.memory()
                descriptors = sum(self._server.descriptors().values())
                threads = self._server.threads()
            except OSError:
                return  # it is told elsewhere that the process has ended
            seconds = round(time.monotonic() - self._figures.started, 1)
            self._figures.samples.append(Sample(seconds, round(rss, 2), round(pss, 2), descriptors, threads))

    def close(self) -> None:
        self._ended.set()
        self.join()


class Lateness(threading.Thread):
    """How long threads of this process wait for their turn: a machine that is busy with others fails any time-out."""

    STEP = 0.1
    WINDOW = 60

    def __init__(self) -> None:
        super().__init__(name="lateness", daemon=True)
        self._ended = threading.Event()
        self._late: list[float] = [0.0] * self.WINDOW
        self._place = 0
        self.most = 0.0

    def run(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(self.STEP):
            now = time.monotonic()
            late, before = now - before - self.STEP, now
            self._late[self._place % self.WINDOW] = late
            self._place += 1
            self.most = max(self.most, late)

    @property
    def lately(self) -> float:
        """The most within the last seconds."""
        return max(self._late)

    def close(self) -> None:
        self._ended.set()
        self.join()


@dataclass(frozen=True, slots=True)
class Memory:
    """RSS in MiB in the course of time: medians of a tenth each, the first of which is warm-up.

    Not PSS: that changes with what other processes do with the same libraries.
    """

    start: float
    middle: float
    end: float
    slope: float
    """MiB an hour, of all but the first tenth."""

    @classmethod
    def of(cls, samples: list[Sample]) -> "Memory":
        tenth = max(1, len(samples) // 10)
        values = [sample.rss for sample in samples]
        middle = len(values) // 2
        return cls(
            median(values[tenth : 2 * tenth] or values),
            median(values[middle : middle + tenth] or values),
            median(values[-tenth:]),
            _slope([(sample.seconds, sample.rss) for sample in samples[tenth:]]) * 3600,
        )

    @property
    def is_flat(self) -> bool:
        return self.end <= self.start * (1 + FLAT_SHARE) + FLAT_MIB


def _slope(points: list[tuple[float, float]]) -> float:
    """Least squares."""
    if len(points) < 2:
        return 0.0
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def percentile(metrics: dict[str, float], name: str, share: float) -> float:
    """Of a histogram: the upper bound of the bucket it lies in."""
    prefix = f'{name}_bucket{{le="'
    buckets = [(float(key[len(prefix) : -2]), count) for key, count in metrics.items() if key.startswith(prefix)]
    total = metrics.get(f"{name}_count", 0)
    return next((bound for bound, count in sorted(buckets) if count >= share * total), float("inf"))
