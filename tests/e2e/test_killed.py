"""kill -9 at every write of a reconcile, before and after the API server has carried it out: the end is the same.

Each case has a server, and a class of operators, of its own: one process that dies, and the next one.
"""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from support.endstate import EndStates, differences, is_through
from support.faultproxy import Action, Forward, Refuse, Request
from support.faulttable import Row, fault_table
from support.operators import Account, Operator, account, operator
from support.polling import eventually
from support.servers import Namespace, ftps_server, password_secret
from testbed import Cluster

UNDISTURBED = "case-00-never"
MOMENTS = ("before", "after")
AT_A_TIME = 4
REACH_SECONDS = 10.0
QUIET_SECONDS = 1.5
CONVERGE_SECONDS = 60.0
# Its pods wait for a node: nothing but the operator decides how long it takes.
SPEC: dict[str, Any] = {"service": {"type": "ClusterIP"}, "nodeSelector": {"kubernetes.io/os": "none"}}
CHANGES: dict[str, Any] = {
    "explicit": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "limits": {"maxSessions": 7},
    "replicas": 2,
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The cases' servers: one whose operator nobody kills, and one for each write and moment."""

    namespace: Namespace
    end_states: EndStates
    user: Account
    folder: Path

    def apply(self, names: list[str], **changes: Any) -> None:
        servers = (ftps_server(name, users=("alice",), operatorClass=name, **(SPEC | changes)) for name in names)
        self.namespace.apply(*servers)

    def flags(self, name: str) -> tuple[str, ...]:
        return ("--leader-election", "false", "--operator-class", name, "--namespaces", self.namespace.name)

    def state(self, name: str) -> str:
        return self.end_states.look().get((self.namespace.name, name), "")

    def in_peace(self, what: str) -> list[str]:
        """Run an operator that nobody disturbs. Returns its writes, in their order."""
        with operator(self.user, self.folder, f"{what}-{UNDISTURBED}", *self.flags(UNDISTURBED)) as process:
            eventually(lambda: is_quiet(process) and is_through(self.state(UNDISTURBED)), seconds=60)
            return [str(write) for write in process.writes]

    def kill_at(self, what: str, write: int, moment: str) -> tuple[bool, str]:
        """Run an operator that dies at its n-th write. Returns whether it came so far, and the state it leaves."""
        name = case(write, moment)
        with operator(self.user, self.folder, f"{what}-{name}-dies", *self.flags(name)) as process:
            process.proxy.decide = deadly(process, write, moment)
            code = process.wait(REACH_SECONDS)
        return code == -signal.SIGKILL, self.state(name)

    def next_run(self, what: str, write: int, moment: str, expected: str) -> None:
        """Run an operator that nobody kills until the end state is as expected."""
        name = case(write, moment)

        def look() -> bool:
            found = self.state(name)
            assert found == expected, "\n".join([name, *differences(found, expected)])
            return True

        with operator(self.user, self.folder, f"{what}-{name}-next", *self.flags(name)):
            eventually(look, seconds=CONVERGE_SECONDS)


def case(write: int, moment: str) -> str:
    return f"case-{write:02}-{moment}"


def deadly(process: Operator, last: int, moment: str) -> Callable[[Request], Action]:
    writes = iter(range(1, last + 1))

    def decide(request: Request) -> Action:
        if not request.is_write:
            return Forward()
        number = next(writes, None)
        if number == last and moment == "after":
            return Forward(then=process.kill)
        if number == last:
            process.kill()
        return Forward() if number is not None and number < last else Refuse()

    return decide


def is_quiet(process: Operator) -> bool:
    return bool(process.writes) and time.monotonic() - process.writes[-1].at > QUIET_SECONDS


@pytest.fixture(scope="module")
def scene(cluster: Cluster, namespace: Namespace, tmp_path_factory) -> Iterator[Scene]:
    namespace.apply(password_secret("alice"))
    with account(cluster, "ftps-killed") as user:
        yield Scene(namespace, EndStates(cluster, namespace.name), user, tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    with fault_table(request.config, "kill -9 at every write") as rows:
        yield rows


# The second is about servers that the first one has made.
@pytest.mark.parametrize(("what", "changes"), [("creation", {}), ("change", CHANGES)])
def test_the_next_run_ends_in_the_same_state(scene: Scene, table: list[Row], what: str, changes: dict[str, Any]):
    began = time.monotonic()
    scene.apply([UNDISTURBED], **changes)
    writes = scene.in_peace(what)
    expected = scene.state(UNDISTURBED)
    cases = list(product(range(1, len(writes) + 1), MOMENTS))
    scene.apply([case(*each) for each in cases], **changes)
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        killed, left = zip(*threads.map(lambda each: scene.kill_at(what, *each), cases), strict=True)
        list(threads.map(lambda each: scene.next_run(what, *each, expected), cases))
    table.append(
        {
            "fault": f"kill -9 at each write of one server's {what}",
            "writes": len(writes),
            "times": sum(killed),
            "states left behind": len(set(left)),
            "outcome": "one end state",
            "seconds": round(time.monotonic() - began),
        }
    )
    assert len(set(left)) > len(writes) // 3, "the processes have died too late"
    assert sum(killed) >= len(cases) - 6, "of the last writes, that tell of pods, there may be fewer"
