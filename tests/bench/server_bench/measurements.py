"""What is measured of a server that was started for it. The values' names stand in the raw runs; `rows` picks some."""

import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.server_bench import bulk, load, machine
from bench.server_bench.clients import CIPHER, Session, in_threads, tls_context
from bench.server_bench.machine import Cpus, Used, metered
from bench.server_bench.sandbox import Sandbox
from bench.server_bench.scene import BIG, MEDIUM, MIB, SMALL_BYTES, Scene

PARALLEL = 8
# So many log in at once: the server never waits for a client.
_CLIENTS = 16
# Between two probes; at random, so that they do not fall in step with the server.
_PAUSE_SECONDS = (0.002, 0.008)
_URGENT = -20


class MeasurementError(Exception):
    """What was measured was not what should have been."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    big_mib: int = 512
    """One session moves this file `big_times`."""
    big_times: int = 2
    medium_mib: int = 256
    """Each of several sessions moves this file once."""
    login_seconds: float = 3.0
    small_files: int = 500
    idle_sessions: int = 2000
    probe_seconds: float = 3.0
    """For NOOP, and for LIST again; longer where `probes` take longer."""
    probes: int = 100


QUICK = Sizes(
    big_mib=64,
    big_times=1,
    medium_mib=16,
    login_seconds=0.5,
    small_files=50,
    idle_sessions=100,
    probe_seconds=0.5,
    probes=10,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server."""

    port: int
    home: Path
    sandbox: Sandbox
    scene: Scene
    cpus: Cpus
    sizes: Sizes

    @contextmanager
    def several(self, count: int) -> Iterator[list[Session]]:
        """So many that are ready to transfer."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.session()) for _ in range(count)]

    @contextmanager
    def session(self, *, resume: bool = True) -> Iterator[Session]:
        """One that is ready to transfer, with the cipher that all are compared with."""
        session = Session(self.port, tls_context(), resume=resume)
        try:
            if session.cipher != CIPHER:
                raise MeasurementError(f"the server took {session.cipher}, not {CIPHER}")
            yield session.protect()
        finally:
            session.close()


Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Measurement:
    """How a server is to be started, and what is done to it."""

    name: str
    measure: Callable[[Subject], Values]
    certificate: str = "rsa"
    resume: bool = True
    """Whether data connections resume their control connection's TLS session."""


def download(subject: Subject, *, sessions: int) -> Values:
    name, size, times = _load(subject, sessions)
    with subject.session() as session:
        _came_whole(session.download(f"RETR {name}"), size)
    with subject.several(sessions) as every, metered(subject.cpus) as used:
        received = bulk.download(every, name, size=size, times=times)
    _came_whole(received, sessions * times * size)
    return _bulk_values(used, received)


def _came_whole(received: int, size: int) -> None:
    if received != size:
        raise MeasurementError(f"{received} bytes of {size} came")


def upload(subject: Subject, *, sessions: int) -> Values:
    name, size, times = _load(subject, sessions)
    with subject.several(sessions) as every, metered(subject.cpus) as used:
        names = bulk.upload(every, subject.scene.source(name), times=times)
    arrived = sum((subject.home / name).stat().st_size for name in names)
    if arrived != sessions * times * size:
        raise MeasurementError(f"{arrived} bytes of {sessions * times * size} arrived")
    return _bulk_values(used, arrived)


def curl(subject: Subject) -> Values:
    """What a person sees, from curl's start to its end."""
    moved = subject.sizes.big_mib
    started = time.monotonic()
    bulk.curl_download(subject.port, BIG)
    loaded = time.monotonic()
    bulk.curl_upload(subject.port, subject.scene.source(BIG), "up")
    stored = time.monotonic()
    return {"download_mib_per_second": moved / (loaded - started), "upload_mib_per_second": moved / (stored - loaded)}


def logins(subject: Subject) -> Values:
    """Connect, AUTH TLS, log in, QUIT, always with a full handshake."""
    context = tls_context()
    counts: list[int] = []

    def log_in() -> None:
        count = 0
        while time.monotonic() < deadline:
            Session(subject.port, context).quit()
            count += 1
        counts.append(count)

    with subject.session(), metered(subject.cpus) as used:
        deadline = time.monotonic() + subject.sizes.login_seconds
        in_threads(_CLIENTS, log_in)
    return {"logins_per_second": sum(counts) / used.seconds, **used.shares()}


def small_files(subject: Subject, *, resume: bool) -> Values:
    """One after the other, all up and all down again."""
    names = [f"tiny-{number}" for number in range(subject.sizes.small_files)]
    with subject.scene.source(BIG).open("rb") as file:
        content = file.read(SMALL_BYTES)
    with subject.session(resume=resume) as session, metered(subject.cpus) as used:
        started = time.monotonic()
        for name in names:
            session.upload(name, content)
        stored = time.monotonic()
        for name in names:
            if session.download(f"RETR {name}") != SMALL_BYTES:
                raise MeasurementError(f"{name} came incomplete")
    return {
        "files_per_second": 2 * len(names) / used.seconds,
        "put_seconds": stored - started,
        "resumed": session.resumed,
        **used.shares(),
    }


def idle(subject: Subject) -> Values:
    """Many sessions that do nothing."""
    context = tls_context()
    count = subject.sizes.idle_sessions
    sessions: list[Session] = []
    turns = iter(range(count))

    def log_in() -> None:
        # Each is kept as soon as it is there.
        sessions.extend(Session(subject.port, context).protect() for _ in turns)

    with subject.session():
        before = machine.pss(subject.sandbox.processes())
        with metered(subject.cpus) as used:
            in_threads(_CLIENTS, log_in)
        processes = subject.sandbox.processes()
        held = machine.pss(processes)
        for session in sessions:
            session.command("NOOP", "200")
            session.close()
    return {
        "seconds": used.seconds,
        "pss_mib": held / MIB,
        "pss_kib_per_session": (held - before) / count / 1024,
        "processes": len(processes),
        **used.shares(),
    }


def latency(subject: Subject) -> Values:
    """How long one session's commands take while others download."""
    with subject.session() as session, load.running(subject.port, sessions=PARALLEL, size=subject.sizes.big_mib * MIB):
        session.download("LIST")
        with metered(subject.cpus) as used, _urgent():
            noops = _probe(subject.sizes, lambda: session.command("NOOP", "200"))
            lists = _probe(subject.sizes, lambda: session.download("LIST"))
    return {
        "noop_p50_ms": percentile(noops, 50),
        "noop_p99_ms": percentile(noops, 99),
        "list_p50_ms": percentile(lists, 50),
        "list_p99_ms": percentile(lists, 99),
        "noops": len(noops),
        "lists": len(lists),
        "resumed": session.resumed,
        **used.shares(),
    }


MEASUREMENTS = (
    Measurement("download-1", partial(download, sessions=1)),
    Measurement("download-8", partial(download, sessions=PARALLEL)),
    Measurement("upload-1", partial(upload, sessions=1)),
    Measurement("upload-8", partial(upload, sessions=PARALLEL)),
    Measurement("curl", curl),
    Measurement("logins-rsa", logins),
    Measurement("logins-p256", logins, certificate="p256"),
    Measurement("small-resumed", partial(small_files, resume=True)),
    Measurement("small-full", partial(small_files, resume=False), resume=False),
    Measurement("idle", idle),
    Measurement("latency", latency),
)


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def _load(subject: Subject, sessions: int) -> tuple[str, int, int]:
    """Which file each session moves, its size, and how often."""
    sizes = subject.sizes
    if sessions == 1:
        return BIG, sizes.big_mib * MIB, sizes.big_times
    return MEDIUM, sizes.medium_mib * MIB, 1


def _bulk_values(used: Used, moved: int) -> Values:
    mib = moved / MIB
    return {"mib_per_second": mib / used.seconds, "cpu_seconds_per_gib": used.server_cpu / mib * 1024, **used.shares()}


def _probe(sizes: Sizes, ask: Callable[[], object]) -> list[float]:
    """Milliseconds that each of many questions took."""
    took: list[float] = []
    deadline = time.monotonic() + sizes.probe_seconds
    while time.monotonic() < deadline or len(took) < sizes.probes:
        started = time.monotonic()
        ask()
        took.append((time.monotonic() - started) * 1000)
        time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret
    return took


@contextmanager
def _urgent() -> Iterator[None]:
    """Get the processor before the downloading client, so that the probe waits for the server and not for it."""
    os.setpriority(os.PRIO_PROCESS, 0, _URGENT)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, 0)
