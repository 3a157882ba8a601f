"""The API server's faults: the operator comes to the same end, and asks less and less often meanwhile.

Each fault has an operator and a server of its own, and all of them run side by side: most of the time they wait.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ftps_operator.kinds import WATCHED
from support.endstate import EndStates, differences, is_through
from support.faultproxy import Action, Answer, Decide, Events, Forward, Hang, Request, error_event, forward
from support.faulttable import Row, fault_table
from support.operators import Account, Operator, account, operator
from support.polling import eventually
from support.servers import Namespace, ftps_server, password_secret
from testbed import Cluster

WATCHES = len(WATCHED) + 1
"""Of these, and of CRDs."""
FAULT_SECONDS = 16.0
"""How long the fault is total; from then on it is partial."""
CONVERGE_SECONDS = 60.0
MOST_IN_ONE_SECOND = 60
MOST_ON_AVERAGE = 15.0
"""Requests a second while the fault is total. A start, in which every kind is listed, takes 45."""
# Its pods wait for a node: nothing but the operator decides how long it takes.
SPEC: dict[str, Any] = {"service": {"type": "ClusterIP"}, "nodeSelector": {"kubernetes.io/os": "none"}}
STEPS: dict[str, dict[str, Any]] = {
    "created": {},
    "changed": {"explicit": {"enabled": False}, "networkPolicy": {"enabled": False}, "limits": {"maxSessions": 7}},
    "scaled": {"replicas": 2},
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to requests: to all that it is about, then to some."""

    total: Decide
    partial: Decide
    flags: tuple[str, ...] = ()
    repeats: bool = True
    """Whether the operator asks again within the time that the fault is total."""


def sort_of(request: Request) -> str:
    return f"{request.client} {request} {request.is_watch}"


def every_third(decide: Decide) -> Decide:
    """The fault for every third request of each sort."""
    counts: Counter[str] = Counter()

    def some(request: Request) -> Action:
        counts[sort_of(request)] += 1
        return Forward() if counts[sort_of(request)] % 3 else decide(request)

    return some


def answering(status: int, reason: str, to: Callable[[Request], bool] = lambda _: True, **headers: str) -> Fault:
    answer = Answer(status, reason, {name.replace("_", "-"): value for name, value in headers.items()})

    def total(request: Request) -> Action:
        return answer if to(request) else Forward()

    return Fault(total, every_third(total))


def on_watches(choose: Callable[[], Callable[[bytes], bytes | None]]) -> Decide:
    return lambda request: Events(choose()) if request.is_watch else Forward()


def ending_after(lines: int) -> Callable[[], Callable[[bytes], bytes | None]]:
    def choose() -> Callable[[bytes], bytes | None]:
        left = iter(range(lines))
        return lambda line: line if next(left, None) is not None else None

    return choose


def no_longer_there(_: bytes) -> bytes:
    return error_event(410, "Expired")


TOO_OLD = on_watches(lambda: no_longer_there)
LOST = on_watches(lambda: lambda _: b"")
FAULTS = {
    "409": answering(409, "Conflict", lambda request: request.is_write),
    "410": answering(410, "Expired", lambda request: request.is_watch or request.is_list),
    "410 in watches": Fault(TOO_OLD, every_third(TOO_OLD)),
    "429": answering(429, "TooManyRequests", Retry_After="1"),
    "500": answering(500, "InternalError"),
    "503": answering(503, "ServiceUnavailable"),
    "requests that hang": Fault(lambda _: Hang(), forward, repeats=False),
    # The first line is the empty one before the first event.
    "watches that half-close": Fault(on_watches(ending_after(0)), on_watches(ending_after(30))),
    "events that get lost": Fault(LOST, LOST, ("--relist-seconds", "5"), repeats=False),
}


@dataclass(slots=True)
class Outcome:
    """What came of a fault."""

    states: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took; the first includes the time that the fault was total."""
    during: list[Request] = field(default_factory=list)
    """What was asked while the fault was total."""
    is_alive: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """Where all of this happens."""

    end_states: EndStates
    user: Account
    folder: Path
    namespace: Namespace

    def run(self, name: str, fault: Fault, expected: dict[str, str] | None) -> Outcome:
        """Make a server, change it, scale it; each step begins when the one before it is through."""
        title = f"fault-{name}".replace(" ", "-")
        flags = ("--leader-election", "false", "--operator-class", title, *fault.flags)
        outcome = Outcome()
        with operator(self.user, self.folder, title, *flags) as process:
            eventually(lambda: sum(request.is_watch for request in process.proxy.requests) >= WATCHES, seconds=60)
            began = time.monotonic()
            process.proxy.decide = fault.total
            process.proxy.cut()  # or the watches that there are would tell everything
            spec = SPEC | {"operatorClass": title}
            self.namespace.apply(ftps_server(title, users=("alice",), **spec))
            if expected is not None:
                eventually(lambda: time.monotonic() - began > FAULT_SECONDS, seconds=2 * FAULT_SECONDS)
            outcome.during = list(process.proxy.requests)
            outcome.during = [request for request in outcome.during if request.at >= began]
            process.proxy.decide = fault.partial
            done = 0
            for step, changes in STEPS.items():
                if changes:
                    began, done = time.monotonic(), len(process.writes)
                    self.namespace.patch("ftpsserver", title, {"spec": changes})
                outcome.states[step] = self._settled(title, process, done, expected and expected[step])
                outcome.seconds[step] = time.monotonic() - began
            outcome.is_alive = process.wait(0) is None
        return outcome

    def _settled(self, name: str, process: Operator, done: int, expected: str | None) -> str:
        """The end state: the expected one or, where there is none, the one after which nothing more is written.

        `done`: how many writes there were before this step.
        """

        def look() -> str | None:
            found = self.end_states.look().get((self.namespace.name, name), "")
            if expected is None:
                new = process.writes[done:]
                return found if new and time.monotonic() - new[-1].at > 2 and is_through(found) else None
            assert found == expected, "\n".join(differences(found, expected))
            return found

        found = eventually(look, seconds=CONVERGE_SECONDS)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def outcomes(cluster: Cluster, namespace: Namespace, tmp_path_factory) -> Iterator[dict[str, "Future[Outcome]"]]:
    namespace.apply(password_secret("alice"))
    with account(cluster, "ftps-faults") as user, ThreadPoolExecutor(len(FAULTS)) as threads:
        scene = Scene(EndStates(cluster, namespace.name), user, tmp_path_factory.mktemp("faults"), namespace)
        undisturbed = scene.run("none", Fault(forward, forward), None)
        assert len(set(undisturbed.states.values())) == len(STEPS)
        yield {name: threads.submit(scene.run, name, fault, undisturbed.states) for name, fault in FAULTS.items()}


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    with fault_table(request.config, "Faults of the API server") as rows:
        yield rows


def in_one_second(requests: list[Request]) -> int:
    """The most that began within one second."""
    times = [request.at for request in requests]
    return max((sum(at <= other < at + 1 for other in times) for at in times), default=0)


def pauses(requests: list[Request]) -> list[float]:
    """Between the spoilt requests of the sort of which there were most; looks at Secrets have a pace of their own."""
    sorts: dict[str, list[float]] = defaultdict(list)
    for request in requests:
        if request.is_spoilt and "/secrets/" not in request.path:
            sorts[sort_of(request)].append(request.at)
    times = max(sorts.values(), key=len)
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("name", FAULTS)
def test_it_comes_to_the_same_end_and_asks_less_often_meanwhile(
    outcomes: dict[str, "Future[Outcome]"], table: list[Row], name: str
):
    outcome = outcomes[name].result()
    waited = pauses(outcome.during)
    table.append(
        {
            "fault": name,
            "requests/s": round(len(outcome.during) / FAULT_SECONDS, 1),
            "most in 1 s": in_one_second(outcome.during),
            "pauses": " ".join(f"{pause:.1f}" for pause in waited),
        }
        | {step: f"{seconds:.1f} s" for step, seconds in outcome.seconds.items()}
        | {"outcome": "same end state"}
    )
    assert outcome.is_alive
    assert in_one_second(outcome.during) <= MOST_IN_ONE_SECOND
    assert len(outcome.during) / FAULT_SECONDS <= MOST_ON_AVERAGE
    if FAULTS[name].repeats:
        assert len(waited) >= 2
        assert max(waited[1:]) > 1.5 * waited[0]
