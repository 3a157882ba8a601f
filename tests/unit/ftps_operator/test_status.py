from typing import Any

import pytest

from ftps_operator.availability import Availability
from ftps_operator.certificates import CertificateFacts, Lifetime
from ftps_operator.desired.plan import Served
from ftps_operator.exposed import Exposure
from ftps_operator.kinds import SERVICE
from ftps_operator.planned import Action, Plan, PlannedChange
from ftps_operator.policies import Reason, Verdict
from ftps_operator.status import Findings, compute, in_progress, stalled
from support.kstatus import CURRENT, FAILED, IN_PROGRESS, kstatus
from support.samples import NOW, server

BEFORE, LATER = "2026-11-24T12:00:00Z", "2026-11-24T12:05:00Z"
GOOD: dict[str, Any] = {
    "users": 1,
    "served": Served(CertificateFacts(NOW, NOW, "CN=ca", "ab", frozenset())),
    "availability": Availability(wanted=1, replicas=1, ready=1, rolled_out=True),
    "exposure": Exposure(address="203.0.113.10"),
    "network_policy_applied": True,
    "reloaded": True,
}


def status(previous: dict[str, Any] | None = None, now: str = BEFORE, **findings: Any) -> dict[str, Any]:
    return compute(server(), Findings(**(GOOD | findings)), previous=previous or {}, now=now)


def conditions(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {condition["type"]: condition for condition in found["conditions"]}


def summary(found: dict[str, Any]) -> str:
    return kstatus({"metadata": {"generation": 3}, "status": found})


def test_a_server_that_has_everything_is_current():
    found = status()
    assert summary(found) == CURRENT
    assert not {"Reconciling", "Stalled", "Paused"} & conditions(found).keys()


@pytest.mark.parametrize(
    ("lacking", "reason"),
    [
        ({"served": Served(None, "Secret x is missing")}, "CertificateNotReady"),
        ({"user_problems": ("user bob: Secret bob is missing",)}, "UsersNotReady"),
        ({"network_policy_applied": False}, "Progressing"),
        ({"availability": Availability()}, "Unavailable"),
        ({"exposure": Exposure(waiting_for="the load balancer")}, "WaitingForAddress"),
        ({"availability": Availability(replicas=2, ready=1)}, "RollingOut"),
        ({"reloaded": False}, "Reloading"),
    ],
)
def test_whatever_is_lacking_is_the_reason_and_it_is_in_progress(lacking: dict[str, Any], reason: str):
    found = status(**lacking)
    assert conditions(found)["Ready"]["reason"] == reason
    assert summary(found) == IN_PROGRESS


def test_what_no_retry_can_mend_is_failed():
    found = status(verdict=Verdict(Reason.NAME_TAKEN, "Service x exists"))
    assert summary(found) == FAILED
    assert conditions(found)["Ready"]["message"] == "Service x exists"
    assert "Reconciling" not in conditions(found)


def test_a_new_generation_is_in_progress_before_anything_is_done():
    found = in_progress({"generation": 4}, status(), now=LATER)
    assert found["observedGeneration"] == 4
    assert kstatus({"metadata": {"generation": 4}, "status": found}) == IN_PROGRESS
    assert conditions(found)["Available"]["status"] == "True"
    assert found["address"] == "203.0.113.10"


def test_a_change_mends_what_was_stalled():
    was = stalled({"generation": 3}, Verdict(Reason.INVALID_SPEC, "bad"), {}, now=BEFORE)
    assert summary(was) == FAILED
    assert "Stalled" not in conditions(in_progress({"generation": 4}, was, now=LATER))


def test_a_condition_keeps_its_time_while_its_status_stands():
    first = status()
    assert conditions(status(first, LATER))["Ready"]["lastTransitionTime"] == BEFORE
    assert conditions(status(first, LATER, reloaded=False))["Ready"]["lastTransitionTime"] == LATER


def test_a_paused_change_counts_as_unseen():
    found = compute(server(), Findings(**GOOD, paused=True), previous={"observedGeneration": 2}, now=BEFORE)
    assert found["observedGeneration"] == 2
    assert summary(found) == IN_PROGRESS
    assert conditions(found)["Paused"]["status"] == "True"


def test_client_certificates_have_a_condition_where_they_are_asked_for():
    made = server(tls={"selfSigned": {}, "clientAuth": {"mode": "Optional", "caSecretName": "partners"}})
    missing = GOOD | {"client_auth_problem": "Secret partners is missing"}
    lacking = compute(made, Findings(**missing), previous={}, now=BEFORE)
    assert conditions(lacking)["ClientAuthReady"]["status"] == "False"
    assert conditions(lacking)["Ready"]["message"] == "Secret partners is missing"
    assert summary(lacking) == IN_PROGRESS
    assert summary(compute(made, Findings(**GOOD), previous=lacking, now=LATER)) == CURRENT
    assert "ClientAuthReady" not in conditions(status())


def test_a_network_policy_that_is_switched_off_does_not_keep_it_from_ready():
    made = server(networkPolicy={"enabled": False})
    found = compute(made, Findings(**(GOOD | {"network_policy_applied": False})), previous={}, now=BEFORE)
    assert conditions(found)["Ready"]["status"] == "True"


def test_what_is_peculiar_of_an_address_is_told_beside_it():
    told = conditions(status(exposure=Exposure(address="203.0.113.10", remark="every port is open")))
    assert told["AddressAssigned"]["message"] == "PASV announces 203.0.113.10; every port is open"
    told = conditions(status(exposure=Exposure(address="2001:db8::1")))
    assert "clients must use EPSV" in told["AddressAssigned"]["message"]


def test_a_certificate_s_end_is_told_before_and_after_it():
    ending = status(lifetime=Lifetime.ENDING)
    assert conditions(ending)["CertificateReady"]["reason"] == "CertificateExpiring"
    assert summary(ending) == CURRENT
    over = status(lifetime=Lifetime.OVER, not_issued="the issuer is gone")
    assert conditions(over)["CertificateReady"]["reason"] == "CertificateExpired"
    assert "the issuer is gone" in conditions(over)["Ready"]["message"]
    assert summary(over) == IN_PROGRESS


def test_a_certificate_that_is_not_as_it_is_asked_for_is_not_ready_though_one_is_served():
    found = status(not_issued="issuer x not found")
    assert conditions(found)["CertificateReady"]["status"] == "False"
    assert conditions(found)["Ready"]["message"].startswith("issuer x not found; until then one valid until ")


CHANGE = PlannedChange(SERVICE, "exchange", Action.CHANGE, ("spec.type",))


def test_a_plan_is_in_the_status_and_its_generation_counts_as_unseen():
    found = compute(server(), Findings(**GOOD, plan=Plan((CHANGE,))), previous={"observedGeneration": 2}, now=BEFORE)
    assert found["plan"] == [{"object": "Service exchange", "action": "Change", "fields": ["spec.type"]}]
    assert conditions(found)["Planned"]["reason"] == "ChangesPlanned"
    assert found["observedGeneration"] == 2
    assert conditions(status(plan=Plan()))["Planned"]["reason"] == "NothingToChange"
    assert "plan" not in status(found)
    assert "Planned" not in conditions(status(found))


def test_what_a_plan_would_be_refused_for_is_told_and_stalls_nothing():
    obstacle = Verdict(Reason.OBJECT_REJECTED, "Service exchange: port is taken")
    found = status(plan=Plan((CHANGE,), obstacle=obstacle))
    assert conditions(found)["Planned"]["message"] == "Service exchange: port is taken"
    assert "plan" not in found
    assert "Stalled" not in conditions(found)


def test_ftps_users_who_cannot_log_in_are_counted_and_keep_nobody_from_ready():
    found = status(tenants_out=2)
    assert summary(found) == CURRENT
    assert conditions(found)["UsersReady"]["message"] == "users who can log in: 1; FtpsUsers who cannot: 2"


def test_a_message_tells_of_some_users_and_counts_the_others():
    found = status(user_problems=tuple(f"user {number}: no" for number in range(1000)))
    message = conditions(found)["UsersReady"]["message"]
    assert "user 9: no" in message
    assert message.endswith("; and 990 more")
