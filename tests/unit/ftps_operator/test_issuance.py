from typing import Any

from ftps_operator.issuance import is_issued, request_name, saying


def condition(kind: str, status: str, message: str, generation: int = 2) -> dict[str, Any]:
    return {"type": kind, "status": status, "message": message, "observedGeneration": generation}


def resource(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "exchange-tls", "generation": 2}, "status": {"conditions": list(conditions)} | status}


WAITING = (
    condition("Ready", "False", "Secret does not exist"),
    condition("Issuing", "True", "Issuing as Secret does not exist"),
)


def test_a_certificate_is_issued_when_it_is_ready_as_it_is_now():
    assert is_issued(resource(condition("Ready", "True", "up to date")))
    assert not is_issued(resource(condition("Ready", "True", "up to date", generation=1)))
    assert not is_issued(resource(*WAITING))
    assert not is_issued({"metadata": {"name": "exchange-tls", "generation": 1}})


def test_the_request_is_that_of_the_next_revision():
    assert request_name(resource()) == "exchange-tls-1"
    assert request_name(resource(revision=3)) == "exchange-tls-4"


def test_the_request_tells_more_than_the_certificate():
    request = resource(condition("Approved", "True", "approved"), condition("Ready", "False", "issuer not found"))
    assert saying(resource(*WAITING), request) == "issuer not found"
    assert saying(resource(*WAITING), None) == "Issuing as Secret does not exist"


def test_a_request_that_has_failed_is_told_of_by_the_certificate():
    failed = resource(WAITING[0], condition("Issuing", "False", "has failed and will be retried"))
    request = resource(condition("Ready", "False", "denied"))
    assert saying(failed, request) == "has failed and will be retried"


def test_a_certificate_that_nobody_has_looked_at_is_told():
    assert saying({"metadata": {"name": "a"}}, None) == "cert-manager has not looked at the Certificate yet"
