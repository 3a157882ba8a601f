import pytest

from ftps_operator.tenants import Problem, UserReason
from ftps_operator.userstatus import Outcome, compute
from support.kstatus import CURRENT, FAILED, IN_PROGRESS, kstatus

BEFORE, LATER = "2026-11-24T12:00:00Z", "2026-11-24T12:05:00Z"


def outcome(
    reason: UserReason | None, generation: int = 3, *, message: str = "what to do", is_guess: bool = False
) -> Outcome:
    problem = Problem(reason, message) if reason else None
    return Outcome("uid-1", generation, ("files", "exchange"), "dora", problem, is_guess)


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (None, CURRENT),
        (UserReason.SERVER_NOT_FOUND, IN_PROGRESS),
        (UserReason.SECRET_NOT_FOUND, IN_PROGRESS),
        (UserReason.PROGRESSING, IN_PROGRESS),
        (UserReason.NAMESPACE_NOT_ALLOWED, FAILED),
        (UserReason.LOGIN_NAME_TAKEN, FAILED),
        (UserReason.SECRET_UNUSABLE, FAILED),
    ],
)
def test_a_status_means_what_kstatus_makes_of_it(reason: UserReason | None, state: str):
    found = compute(outcome(reason), {}, now=BEFORE)
    assert kstatus({"metadata": {"generation": 3}, "status": found}) == state
    assert found["login"] == "dora"
    ready = found["conditions"][0]
    assert (ready["type"], ready["observedGeneration"]) == ("Ready", 3)
    assert ready["reason"] == (reason or "Ready")
    assert ready["message"] == ("what to do" if reason else "dora can log in to FtpsServer files/exchange")


def test_an_outcome_of_an_older_generation_is_in_progress():
    found = compute(outcome(None, generation=2), {}, now=BEFORE)
    assert kstatus({"metadata": {"generation": 3}, "status": found}) == IN_PROGRESS


def test_a_condition_keeps_its_time_while_its_status_stands():
    first = compute(outcome(None), {}, now=BEFORE)
    assert compute(outcome(None), first, now=LATER) == first
    lost = compute(outcome(UserReason.SECRET_NOT_FOUND), first, now=LATER)
    assert [each["lastTransitionTime"] for each in lost["conditions"]] == [LATER, LATER]


def test_a_user_that_cannot_be_read_has_no_login():
    unread = Outcome("uid-1", 3, ("files", "exchange"), None, Problem(UserReason.INVALID_SPEC, "spec: wrong"))
    assert "login" not in compute(unread, {}, now=BEFORE)


def test_of_two_operators_that_find_no_server_only_one_has_the_last_word():
    reason = UserReason.SERVER_NOT_FOUND
    guess, known = outcome(reason, message="not mine", is_guess=True), outcome(reason, message="there is none")
    assert not guess.yields_to({})
    assert not known.yields_to(compute(guess, {}, now=BEFORE))
    assert guess.yields_to(compute(known, {}, now=BEFORE))
    assert not guess.yields_to(compute(guess, {}, now=BEFORE))
    assert not guess.yields_to(compute(outcome(None, generation=2), {}, now=BEFORE))
