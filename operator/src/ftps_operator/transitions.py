"""Which Kubernetes Events a change of the status is worth."""

from dataclasses import dataclass
from typing import Any

from ftps_operator.constants import CERTIFICATE_EXPIRING, ConditionType

# What it is good for a condition to be; Reconciling and Paused are neither good nor bad.
_GOOD = {
    ConditionType.READY: "True",
    ConditionType.STALLED: "False",
    ConditionType.CERTIFICATE_READY: "True",
    ConditionType.USERS_READY: "True",
    ConditionType.CLIENT_AUTH_READY: "True",
    ConditionType.ADDRESS_ASSIGNED: "True",
    ConditionType.AVAILABLE: "True",
}
_FIRST_STEPS = (None, "Unknown")
_NEWS_AT_FIRST = ((ConditionType.READY, "True"), (ConditionType.STALLED, "True"))


@dataclass(frozen=True, slots=True)
class Transition:
    """An Event to be: `type` is Normal or Warning, `reason` the condition's own."""

    type: str
    reason: str
    message: str


def transitions(before: dict[str, Any], after: dict[str, Any]) -> list[Transition]:
    """The conditions whose status changed. How one starts out is no news, but for what a server's owner waits for."""
    old = {condition["type"]: condition["status"] for condition in before.get("conditions", [])}
    reasons = {condition["reason"] for condition in before.get("conditions", [])}
    result = []
    for condition in after.get("conditions", []):
        kind, status = condition["type"], condition["status"]
        if condition["reason"] == CERTIFICATE_EXPIRING:
            if CERTIFICATE_EXPIRING not in reasons:
                result.append(Transition("Warning", CERTIFICATE_EXPIRING, condition["message"]))
            continue
        good = _GOOD.get(kind)
        if good is None or old.get(kind) == status:
            continue
        if old.get(kind) in _FIRST_STEPS and (kind, status) not in _NEWS_AT_FIRST:
            continue
        result.append(Transition("Normal" if status == good else "Warning", condition["reason"], condition["message"]))
    return result
