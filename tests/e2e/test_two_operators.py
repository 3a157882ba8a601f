"""Two operators with one Lease: of those two never more than one writes, whatever happens to the one that leads.

Each scenario has a lease, two processes and servers of its own; they run side by side, as each waits for a lease.
"""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.endstate import EndStates, differences, is_through
from support.faultproxy import Action, Hang, Refuse, Request
from support.faulttable import Row, fault_table
from support.operators import Clock, Operator, account, operator
from support.polling import eventually
from support.servers import Namespace, ftps_server, password_secret
from testbed import Cluster

TAKEOVER_SECONDS = 20.0
CONVERGE_SECONDS = 60.0
UNDER_WAY = 8
"""Requests that a process was just sending when it was stopped, and sends when it goes on: one a worker at most."""
MANY = 50
FEW = 5
# Their pods wait for a node: nothing but the operator decides how long it takes.
SPEC: dict[str, Any] = {"service": {"type": "ClusterIP"}, "nodeSelector": {"kubernetes.io/os": "none"}}
CHANGES: dict[str, Any] = {"networkPolicy": {"enabled": False}, "limits": {"maxSessions": 7}}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two operators: the first leads, the second stands by."""

    namespace: Namespace
    title: str
    first: Operator
    second: Operator
    clocks: tuple[Clock, Clock]

    def apply(self, count: int, **changes: Any) -> None:
        names = [f"{self.title}-{number:02}" for number in range(count)]
        spec = SPEC | {"operatorClass": self.title} | changes
        self.namespace.apply(*(ftps_server(name, users=("alice",), **spec) for name in names))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario. Times are in seconds since the fault."""

    last_write: float
    """When the first operator's last write had been carried out."""
    ended: float
    """When the first operator's process had ended."""
    taken: float
    """When the second one had the lease."""
    first_write: float
    """When the second one's first write began."""
    late: int
    """How many writes of the first one began after that."""
    all_done: float
    """When every server was as it should be."""
    writes: tuple[int, int]


Scenario = Callable[[Pair], float]
"""Does something to the first operator while it writes. Returns when."""


def is_writing(pair: Pair, count: int) -> None:
    eventually(lambda: len(pair.first.writes) >= count, seconds=60)


def killed_in_the_middle(pair: Pair) -> float:
    """While 50 servers are made; just before, both wall clocks have jumped, by an hour, in opposite directions."""
    pair.apply(MANY)
    is_writing(pair, 40)
    pair.clocks[0].jump("+1h")
    pair.clocks[1].jump("-1h")
    is_writing(pair, 200)
    pair.first.kill()
    return time.monotonic()


def cut_off(action: Action) -> Scenario:
    def scenario(pair: Pair) -> float:
        pair.apply(FEW)
        is_writing(pair, 20)

        def none(_: Request) -> Action:
            return action

        pair.first.proxy.decide = none
        pair.first.proxy.silent = True
        if action == Refuse():
            pair.first.proxy.cut()
        return time.monotonic()

    return scenario


def frozen(pair: Pair) -> float:
    """Stopped with work under way; goes on when the other one leads, as a virtual machine may."""
    pair.apply(FEW)
    is_writing(pair, 20)
    pair.first.send(signal.SIGSTOP)
    began = time.monotonic()
    eventually(lambda: has_taken(pair.second), seconds=2 * TAKEOVER_SECONDS)
    is_writing_now = len(pair.second.writes)
    eventually(lambda: len(pair.second.writes) > is_writing_now, seconds=20)
    pair.first.send(signal.SIGCONT)
    return began


SCENARIOS: dict[str, Scenario] = {
    "kill -9 in 50 reconciles, clocks jump by an hour": killed_in_the_middle,
    "cut off: requests hang": cut_off(Hang()),
    "cut off: connections refused": cut_off(Refuse()),
    "stopped and continued": frozen,
}


def has_taken(process: Operator) -> Request | None:
    """The request by which it got the lease."""
    for request in list(process.proxy.requests):
        if request.is_lease and request.method in ("PUT", "POST") and request.status in (200, 201) and request.ended:
            return request
    return None


@dataclass(frozen=True, slots=True)
class Scene:
    """Where all of this happens."""

    cluster: Cluster
    namespace: Namespace
    folder: Path
    end_states: EndStates

    def undisturbed(self) -> list[str]:
        """The end states of a server that one operator has made, and has changed, in peace."""
        states = []
        spec = SPEC | {"operatorClass": "peace"}
        with (
            account(self.cluster, "ftps-peace") as user,
            operator(user, self.folder, "peace", "--operator-class", "peace") as process,
        ):
            for changes in ({}, CHANGES):
                done = len(process.writes)
                self.namespace.apply(ftps_server("peace-00", users=("alice",), **(spec | changes)))
                eventually(lambda done=done: len(process.writes) > done and is_quiet(process), seconds=60)
                key = self.namespace.name, "peace-00"
                eventually(lambda key=key: is_through(self.end_states.look()[key]), seconds=60)
                states.append(self.end_states.look()[key])
        return states

    def run(self, title: str, scenario: Scenario, expected: list[str]) -> Outcome:
        """Two operators and a scenario, then what the second one has to do: go on, or make a change."""
        with ExitStack() as stack:
            user = stack.enter_context(account(self.cluster, f"ftps-{title}"))
            clocks = Clock(self.folder / f"{title}-first.clock"), Clock(self.folder / f"{title}-second.clock")
            flags = ("--operator-class", title)
            first = stack.enter_context(operator(user, self.folder, f"{title}-first", *flags, clock=clocks[0]))
            eventually(lambda: has_taken(first), seconds=60)
            second = stack.enter_context(operator(user, self.folder, f"{title}-second", *flags, clock=clocks[1]))
            eventually(lambda: any(request.is_lease for request in second.proxy.requests), seconds=60)
            pair = Pair(self.namespace, title, first, second, clocks)
            began = scenario(pair)
            if scenario is not killed_in_the_middle:
                pair.apply(FEW, **CHANGES)
            assert first.wait(3 * TAKEOVER_SECONDS) is not None
            ended = time.monotonic()
            taken = eventually(lambda: has_taken(second), seconds=2 * TAKEOVER_SECONDS)
            wanted = (expected[0], MANY) if scenario is killed_in_the_middle else (expected[1], FEW)
            eventually(lambda: self._are_as(title, *wanted), seconds=CONVERGE_SECONDS)
            assert taken is not None
            assert taken.ended is not None
            return Outcome(
                last_write=max((write.ended or write.at) for write in first.writes) - began,
                ended=ended - began,
                taken=taken.ended - began,
                first_write=second.writes[0].at - began,
                late=sum((write.ended or write.at) >= second.writes[0].at for write in first.writes),
                all_done=time.monotonic() - began,
                writes=(len(first.writes), len(second.writes)),
            )

    def _are_as(self, title: str, expected: str, count: int) -> bool:
        states = [state for (_, name), state in self.end_states.look().items() if name.startswith(title)]
        for state in states:
            assert state == expected, "\n".join(differences(state, expected))
        return len(states) == count


def is_quiet(process: Operator) -> bool:
    return bool(process.writes) and time.monotonic() - process.writes[-1].at > 2


@pytest.fixture(scope="module")
def outcomes(cluster: Cluster, namespace: Namespace, tmp_path_factory) -> Iterator[dict[str, "Future[Outcome]"]]:
    namespace.apply(password_secret("alice"))
    folder = tmp_path_factory.mktemp("pairs")
    scene = Scene(cluster, namespace, folder, EndStates(cluster, namespace.name))
    expected = scene.undisturbed()
    with ThreadPoolExecutor(len(SCENARIOS)) as threads:
        yield {
            name: threads.submit(scene.run, f"pair-{'abcd'[number]}", scenario, expected)
            for number, (name, scenario) in enumerate(SCENARIOS.items())
        }


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    with fault_table(request.config, "Two operators, one Lease") as rows:
        yield rows


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_other_one_takes_over_and_never_do_two_write(
    outcomes: dict[str, "Future[Outcome]"], table: list[Row], name: str
):
    outcome = outcomes[name].result()
    table.append(
        {
            "fault": name,
            "last write of the first": f"{outcome.last_write:.1f} s",
            "its end": f"{outcome.ended:.1f} s",
            "lease taken": f"{outcome.taken:.1f} s",
            "first write of the second": f"{outcome.first_write:.1f} s",
            "writes": f"{outcome.writes[0]} + {outcome.writes[1]}",
            "of these late": outcome.late,
            "same end state": f"{outcome.all_done:.1f} s",
        }
    )
    assert outcome.late <= (UNDER_WAY if SCENARIOS[name] is frozen else 0), "two have written"
    assert outcome.taken < TAKEOVER_SECONDS
