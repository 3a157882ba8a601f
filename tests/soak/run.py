"""One soak from its beginning to its end."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from soak import anything, checks, controlfaults, datafaults, downloadfaults, honest, uploadfaults
from soak.churn import Churn
from soak.content import Pool
from soak.figures import Figures, Lateness, Memory, Sampler, percentile
from soak.hooks import HookReceiver
from soak.scene import ACCOUNTS, BIG, IDLE, LOGIN, MOST_THREADS, PASSWORD, SLOW, TRANSFER, Scene, ServerProcess
from soak.worker import Pace, Worker

_HONEST_SHARE = 0.55
_AT_ONCE = 6
_SECONDS_TO_SETTLE = 2 * (IDLE + LOGIN + TRANSFER) + 30.0
_SECONDS_TO_STOP = 150.0
_FAULTS = (
    anything.WEIGHTED | controlfaults.WEIGHTED | datafaults.WEIGHTED | uploadfaults.WEIGHTED | downloadfaults.WEIGHTED
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    seconds: float
    clients: int
    seed: int
    share: float
    """Of a processor, for the clients."""
    only: tuple[str, ...] = ()
    """Names of faults: no others, and nothing else."""


@dataclass
class Outcome:
    """What came of it."""

    wish: Wish
    figures: Figures
    memory: Memory
    start: dict[str, Any]
    end: dict[str, Any]
    kept: int
    """Uploads that were cut off and can be gone on with."""
    events: dict[str, int]
    lateness: float
    metrics: dict[str, float]
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        figures = self.figures
        return {
            "wish": asdict(self.wish),
            "problems": self.problems,
            "counts": dict(figures.counts),
            "done": dict(figures.done),
            "faults": dict(figures.faults),
            "failures": [asdict(failure) for failure in figures.failures],
            "memory": asdict(self.memory),
            "start": self.start,
            "end": self.end,
            "partial_uploads_kept": self.kept,
            "loop_lag_p99": self.lag,
            "clients_late": self.lateness,
            "events": self.events,
            "metrics": self.metrics,
            "samples": [asdict(sample) for sample in figures.samples],
        }

    @property
    def lag(self) -> float:
        """Of the event loop, 99 of 100 times at most this."""
        return percentile(self.metrics, "ftps_server_event_loop_lag_seconds", 0.99)


def soak(wish: Wish, directory: Path) -> Outcome:
    """Run, and look at what is left."""
    with ExitStack() as stack:
        receiver = HookReceiver(wish.seed)
        stack.callback(receiver.close)
        scene = Scene(directory, Pool(wish.seed), workers=wish.clients, hook_url=receiver.url)
        server = ServerProcess(scene.setup)
        stack.callback(server.kill)
        server.wait_until_ready()
        figures, lateness = Figures(), Lateness()
        lateness.start()
        stack.callback(lateness.close)
        pace = Pace(wish.share)
        workers = [
            Worker(number, wish.seed, scene=scene, figures=figures, pace=pace, lateness=lateness)
            for number in range(wish.clients)
        ]
        return _Soak(wish, scene, server, receiver, figures, lateness, workers).run()


@dataclass
class _Soak:
    wish: Wish
    scene: Scene
    server: ServerProcess
    receiver: HookReceiver
    figures: Figures
    lateness: Lateness
    workers: list[Worker]
    problems: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        self._greet()
        descriptors = self._settled_descriptors()
        start = {"descriptors": descriptors, "threads": self.server.threads()}
        sampler, churn = Sampler(self.server, self.figures), Churn(self.scene, self.figures, self.wish.seed)
        self.figures.started = time.monotonic()
        sampler.start()
        churn.start()
        self._work()
        churn.close()
        self.receiver.fails = False
        self._greet()
        self._settle(lambda: checks.leftovers(self.server, descriptors, MOST_THREADS))
        sampler.close()
        return self._look(start)

    def _greet(self) -> None:
        """Have each user log in and upload: what the server makes when it is first needed is there then."""
        for worker in self.workers[: len(ACCOUNTS)]:
            worker.do("done", _one_of_each)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for worker in self.workers[:_AT_ONCE]:
                pool.submit(worker.do, "done", _keep_threads_busy)

    def _settled_descriptors(self) -> dict[str, int]:
        found: list[dict[str, int]] = []

        def look() -> list[str]:
            found.append(self.server.descriptors())
            steady = len(found) > 5 and all(each == found[-1] for each in found[-5:])
            return [] if steady and not self.server.metrics()["ftps_server_sessions"] else ["not steady yet"]

        self._settle(look)
        return found[-1]

    def _settle(self, look: Callable[[], list[str]]) -> None:
        deadline = time.monotonic() + _SECONDS_TO_SETTLE
        while self.server.is_running() and (left := look()):
            if time.monotonic() > deadline:
                self.problems += left
                return
            time.sleep(0.1)

    def _work(self) -> None:
        threads = [threading.Thread(target=worker.run, args=(self._choose,), daemon=True) for worker in self.workers]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + self.wish.seconds
        while time.monotonic() < deadline and self.server.is_running():
            time.sleep(0.2)
        for worker in self.workers:
            worker.stopped.set()
        deadline = time.monotonic() + _SECONDS_TO_STOP
        for worker, thread in zip(self.workers, threads, strict=True):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.problems.append(f"{worker.name} hangs")

    def _choose(self, rng: random.Random) -> tuple[str, Callable[[Worker], None]]:
        chosen = {
            fault: weight for fault, weight in _FAULTS.items() if fault.__name__ in self.wish.only or not self.wish.only
        }
        if not self.wish.only and rng.random() < _HONEST_SHARE:
            return "done", honest.session
        return "fault", rng.choices(list(chosen), list(chosen.values()))[0]

    def _look(self, start: dict[str, Any]) -> Outcome:
        figures, memory = self.figures, Memory.of(self.figures.samples)
        running = self.server.is_running()
        end, metrics = {}, {}
        if running:
            end = {
                "descriptors": self.server.descriptors(),
                "threads": self.server.threads(),
                "processor_seconds": round(self.server.processor_seconds(), 1),
            }
            metrics = self.server.metrics()
        kept, staged = checks.staged(self.scene, self.workers)
        self.problems += [
            *([] if running else ["the server has ended by itself"]),
            *(f"{what}: failed {count} times" for what, count in figures.failed.items()),
            *(f"staged file left: {each}" for each in staged),
            *checks.files(self.scene, self.workers),
            *checks.quotas(self.scene, metrics),
            *self._hook_problems(metrics),
        ]
        if not memory.is_flat:
            self.problems.append(f"memory grows: {memory}")
        if running and (code := self.server.stop()):
            self.problems.append(f"exit code {code}")
        if told := self.server.errors.read_text():
            self.problems.append(f"standard error: {told[-2000:]}")
        events, errors = checks.log(self.server.log)
        self.problems += [f"logged: {line}" for line in errors]
        return Outcome(
            self.wish, figures, memory, start, end, kept, events, round(self.lateness.most, 2), metrics, self.problems
        )

    def _hook_problems(self, metrics: dict[str, float]) -> list[str]:
        uploads = int(metrics.get('ftps_server_transfers_total{direction="upload",outcome="ok"}', 0))
        self.figures.count(hooks=len(self.receiver.received), hook_refusals=self.receiver.failed)
        if len(self.receiver.received) == uploads:
            return self.receiver.wrong
        return [*self.receiver.wrong, f"{len(self.receiver.received)} hook events of {uploads} uploads"]


def _keep_threads_busy(worker: Worker) -> None:
    """Those that hash have taken all the memory then that they ever will."""
    with worker.session() as client:
        client.expect("213", line=f"HASH {BIG}")
    worker.connect().login(SLOW, PASSWORD)


def _one_of_each(worker: Worker) -> None:
    with worker.session() as client:
        honest.settle(worker, client)
        honest.upload(worker, client)
        honest.facts(worker, client)
        client.expect("221", line="QUIT")
