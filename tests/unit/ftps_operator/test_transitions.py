from ftps_operator.transitions import Transition, transitions


def status(**conditions: str) -> dict[str, object]:
    return {
        "conditions": [
            {"type": kind, "status": state, "reason": f"{kind}Is{state}", "message": "m"}
            for kind, state in conditions.items()
        ]
    }


def test_only_what_changed_is_told():
    assert transitions(status(Ready="True"), status(Ready="True")) == []
    assert transitions(status(Ready="False"), status(Ready="True")) == [Transition("Normal", "ReadyIsTrue", "m")]
    assert transitions(status(Ready="True"), status(Ready="False")) == [Transition("Warning", "ReadyIsFalse", "m")]


def test_that_a_new_server_is_not_ready_yet_is_no_news():
    assert transitions({}, status(Ready="False", Available="False")) == []


def test_what_is_good_from_the_start_is_no_news():
    assert transitions({}, status(Stalled="False", UsersReady="True", CertificateReady="True")) == []
    assert transitions(status(Available="Unknown"), status(Available="True")) == []


def test_that_a_new_server_is_ready_is_news():
    assert transitions({}, status(Ready="True")) == [Transition("Normal", "ReadyIsTrue", "m")]


def test_that_a_new_server_is_stalled_is():
    assert transitions({}, status(Stalled="True")) == [Transition("Warning", "StalledIsTrue", "m")]


def reason(status: str, text: str) -> dict[str, object]:
    return {"conditions": [{"type": "CertificateReady", "status": status, "reason": text, "message": "m"}]}


def test_a_certificate_whose_end_is_near_is_told_once_although_it_is_good():
    good, ending, over = (
        reason("True", "CertificateValid"),
        reason("True", "CertificateExpiring"),
        reason("False", "CertificateExpired"),
    )
    assert transitions(good, ending) == [Transition("Warning", "CertificateExpiring", "m")]
    assert transitions({}, ending) == [Transition("Warning", "CertificateExpiring", "m")]
    assert transitions(ending, ending) == []
    assert transitions(ending, good) == []
    assert transitions(ending, over) == [Transition("Warning", "CertificateExpired", "m")]
