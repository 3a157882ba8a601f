"""The status of an FtpsUser."""

from dataclasses import dataclass
from typing import Self

from ftps_operator.constants import ConditionType
from ftps_operator.status import Finding, Status, dated
from ftps_operator.tenants import ObjectId, Problem
from ftps_operator.userentry import Entry


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one generation of an FtpsUser."""

    uid: str
    generation: int
    server: ObjectId
    login: str | None
    """None for a user that cannot be read."""
    problem: Problem | None
    is_guess: bool = False
    """Whether another operator may know better, as this one does not look after the server's namespace."""

    @classmethod
    def of(cls, entry: Entry, server: ObjectId, problem: Problem | None, *, is_guess: bool = False) -> Self:
        """What came of a user as it was read."""
        meta = entry.body["metadata"]
        login = entry.user.login if entry.user is not None else None
        return cls(meta["uid"], meta["generation"], server, login, problem, is_guess)

    def yields_to(self, status: Status) -> bool:
        """Whether another operator has said of this generation what came of it."""
        said = {each["message"] for each in status.get("conditions", []) if each["type"] == ConditionType.READY}
        is_another_s = bool(said - {self.problem.message if self.problem else ""})
        return self.is_guess and is_another_s and status.get("observedGeneration") == self.generation


def compute(outcome: Outcome, previous: Status, *, now: str) -> Status:
    """The whole status. `now` is RFC 3339."""
    status: Status = {
        "observedGeneration": outcome.generation,
        "conditions": dated(_findings(outcome), previous, generation=outcome.generation, now=now),
    }
    if outcome.login is not None:
        status["login"] = outcome.login
    return status


def _findings(outcome: Outcome) -> list[Finding]:
    problem = outcome.problem
    if problem is None:
        message = f"{outcome.login} can log in to FtpsServer {'/'.join(outcome.server)}"
        return [Finding(ConditionType.READY, True, "Ready", message)]
    summary = ConditionType.STALLED if problem.is_stalled else ConditionType.RECONCILING
    return [
        Finding(ConditionType.READY, False, problem.reason, problem.message),
        Finding(summary, True, problem.reason, problem.message),
    ]
