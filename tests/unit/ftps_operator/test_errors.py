from ftps_operator.errors import (
    ApiError,
    Cause,
    ConflictError,
    DeniedError,
    ForbiddenError,
    InvalidError,
    KindNotServedError,
    TransientError,
)


def test_a_conflict_is_worth_another_try_and_a_denial_is_not():
    assert issubclass(ConflictError, TransientError)
    assert issubclass(DeniedError, InvalidError)
    assert not issubclass(InvalidError, TransientError)


def test_whatever_the_api_server_answers_can_be_caught_at_once():
    for error in (TransientError, ConflictError, InvalidError, DeniedError, ForbiddenError, KindNotServedError):
        assert issubclass(error, ApiError)


def test_the_causes_come_with_the_error():
    assert InvalidError("no").causes == ()
    assert InvalidError("no", causes=(Cause("spec.ports", "Required"),)).causes[0].field == "spec.ports"
