import asyncio
from dataclasses import replace
from typing import Any

from ftps_operator.cache import Cache
from ftps_operator.kinds import FTPS_USER
from ftps_operator.metrics import Metrics
from ftps_operator.statuswriter import StatusWriter
from ftps_operator.store import Store
from ftps_operator.tenants import Problem, UserReason
from ftps_operator.transitions import Transition
from ftps_operator.userstatus import Outcome
from ftps_operator.userwriter import UserStatusWriter
from ftps_operator.workqueue import Key
from support.samples import NOW, ftps_user_body

DORA = Key("blue", "dora")


def dora(version: str) -> dict[str, Any]:
    body = ftps_user_body("dora", "blue")
    return body | {"metadata": body["metadata"] | {"resourceVersion": version}}


class Bench:
    """A writer, what it has written, and the keys that are to come up."""

    def __init__(self) -> None:
        self.store = Store()
        self.written: list[dict[str, Any]] = []
        self.events: list[Transition] = []
        self.added: list[Key] = []
        self._version = 0
        cache = Cache(self, self.store)  # type: ignore[arg-type]
        write_status = StatusWriter(cache=cache, events=self, metrics=Metrics())  # type: ignore[arg-type]
        self.writer = UserStatusWriter(cache=cache, write_status=write_status, add=self.added.append, now=lambda: NOW)

    async def apply_status(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.written.append(manifest)
        live = dora(self._next_version())
        return live | {"status": manifest["status"]}

    def hear_of(self, **fields: Any) -> None:
        self.store.observe(FTPS_USER, dora(self._next_version()) | fields)

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    async def emit(self, _: object, transition: Transition) -> None:
        self.events.append(transition)

    def run(self) -> None:
        asyncio.run(self.writer(DORA))


def outcome(problem: Problem | None = None, uid: str = "uid-blue-dora") -> dict[tuple[str, str], Outcome]:
    return {DORA: Outcome(uid, 1, ("files", "exchange"), "dora", problem)}


def test_an_outcome_is_written_once_as_the_status_alone_and_of_this_very_user():
    bench = Bench()
    bench.hear_of()
    bench.writer.tell(outcome())
    bench.run()
    bench.run()
    (manifest,) = bench.written
    assert set(manifest) == {"apiVersion", "kind", "metadata", "status"}
    assert manifest["metadata"] == {"name": "dora", "namespace": "blue", "uid": "uid-blue-dora"}
    assert [event.reason for event in bench.events] == ["Ready"]


def test_only_news_come_up():
    bench = Bench()
    bench.writer.tell(outcome())
    bench.writer.tell(outcome())
    assert bench.added == [DORA]
    bench.writer.tell(outcome(Problem(UserReason.SECRET_NOT_FOUND, "make it")))
    assert bench.added == [DORA, DORA]


def test_a_status_that_is_not_ours_any_more_is_written_again():
    bench = Bench()
    bench.hear_of()
    bench.writer.tell(outcome())
    bench.run()
    bench.hear_of(status={"login": "root"})
    bench.run()
    assert len(bench.written) == 2


def test_nothing_is_said_of_a_user_that_is_gone_or_was_made_anew():
    bench = Bench()
    bench.writer.tell(outcome())
    bench.run()
    bench.hear_of()
    bench.run()  # forgotten with the user
    bench.writer.tell(outcome(uid="of-before"))
    bench.run()
    assert bench.written == []


def test_nothing_more_is_said_of_the_users_of_a_server_that_is_another_operator_s():
    bench = Bench()
    bench.hear_of()
    bench.writer.tell(outcome())
    bench.writer.forget(("files", "exchange"))
    bench.run()
    assert bench.written == []


def test_a_guess_gives_way_to_who_knows():
    bench = Bench()
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "dora can log in"}
    bench.hear_of(status={"observedGeneration": 1, "conditions": [ready]})
    problem = Problem(UserReason.SERVER_NOT_FOUND, "not looked after")
    guess = {DORA: replace(outcome(problem)[DORA], is_guess=True)}
    bench.writer.tell(guess)
    bench.run()
    assert bench.written == []
    bench.hear_of(status={"observedGeneration": 0, "conditions": [ready]})  # of an older generation
    bench.run()
    assert len(bench.written) == 1
