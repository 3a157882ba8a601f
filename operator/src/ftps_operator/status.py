"""The status of a server, computed from what was observed.

Meaning of Ready, Reconciling and Stalled: https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ftps_operator.availability import Availability
from ftps_operator.certificates import Lifetime
from ftps_operator.constants import CERTIFICATE_EXPIRING, ConditionType
from ftps_operator.desired.plan import Served
from ftps_operator.exposed import Exposure
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, pod_selector
from ftps_operator.planned import Plan
from ftps_operator.policies import Verdict
from ftps_operator.ports import span

Status = dict[str, Any]

PROGRESSING = "Progressing"
DISABLED = "Disabled"
MAX_NAMED = 10
"""How many users a message tells of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition before it is dated."""

    type: ConditionType
    status: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a reconcile found out."""

    verdict: Verdict | None = None
    paused: bool = False
    plan: Plan | None = None
    """What would change, where nothing is to be but the status."""
    user_problems: tuple[str, ...] = ()
    users: int | None = None
    tenants_out: int = 0
    """How many FtpsUsers cannot log in: their own status says why, and the server is none the worse for it."""
    served: Served = field(default_factory=lambda: Served(None, "not looked at yet"))
    lifetime: Lifetime = Lifetime.GOOD
    not_issued: str = ""
    """What cert-manager says of a certificate that it has not issued, or not yet as it is asked for."""
    client_auth_problem: str = ""
    """Why it is not known whose client certificates are trusted."""
    availability: Availability = field(default_factory=Availability)
    exposure: Exposure = field(default_factory=Exposure)
    network_policy_applied: bool = False
    reloaded: bool = False
    """Every pod has been told of what is new in the files that servers reload."""


def compute(server: FtpsServer, findings: Findings, *, previous: Status, now: str) -> Status:
    """The whole status. A condition keeps its transition time while its status stands. `now` is RFC 3339."""
    generation = server.metadata.generation
    if findings.paused or findings.plan is not None:
        # Not acted upon: the generation counts as unseen, so that nobody takes the change for done.
        generation = previous.get("observedGeneration", -1)
    status: Status = {
        "observedGeneration": generation,
        "conditions": dated(_findings(server, findings), previous, generation=generation, now=now),
        "passivePorts": span(server.spec.passive.ports),
        "replicas": findings.availability.replicas,
        "readyReplicas": findings.availability.ready,
        "selector": ",".join(f"{key}={value}" for key, value in pod_selector(server.metadata.name).items()),
    }
    if findings.exposure.address is not None:
        status["address"] = findings.exposure.address
        status["endpoints"] = list(findings.exposure.endpoints)
    if findings.users is not None:
        status["users"] = findings.users
    if (facts := findings.served.facts) is not None:
        status["certificate"] = {
            "notAfter": facts.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "issuer": facts.issuer,
            "fingerprint": facts.fingerprint,
        }
    if findings.plan is not None and findings.plan.obstacle is None:
        status["plan"] = findings.plan.as_status()
    return status


def in_progress(metadata: Manifest, previous: Status, *, now: str) -> Status:
    """The status at the moment when a new generation is seen: Ready turns False before it turns True again."""
    message = "the change is being put into effect"
    return _overlaid(
        metadata,
        previous,
        Finding(ConditionType.READY, False, PROGRESSING, message),
        Finding(ConditionType.RECONCILING, True, PROGRESSING, message),
        now=now,
    )


def is_ready(status: Status, generation: int) -> bool:
    """Whether it says that a generation is Ready."""
    ready = {"type": ConditionType.READY, "status": "True", "observedGeneration": generation}
    return any(ready.items() <= condition.items() for condition in status.get("conditions", []))


def stalled(metadata: Manifest, verdict: Verdict, previous: Status, *, now: str) -> Status:
    """The status of an object that cannot be read."""
    return _overlaid(
        metadata,
        previous,
        Finding(ConditionType.READY, False, verdict.reason, verdict.message),
        Finding(ConditionType.STALLED, True, verdict.reason, verdict.message),
        now=now,
    )


_SUMMARY = {ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED}


def _overlaid(metadata: Manifest, previous: Status, *summary: Finding, now: str) -> Status:
    generation = metadata.get("generation", 0)
    kept = [each for each in previous.get("conditions", []) if each["type"] not in _SUMMARY]
    conditions = dated(summary, previous, generation=generation, now=now) + kept
    return previous | {"observedGeneration": generation, "conditions": conditions}


def _findings(server: FtpsServer, findings: Findings) -> list[Finding]:
    parts = [
        _certificate(findings),
        _users(findings),
        *_client_auth(server, findings),
        _network_policy(server, findings),
        _available(findings),
        _address(findings),
    ]
    ready = _ready(findings, parts)
    stalled_by = findings.verdict
    result = [ready]
    if not ready.status and stalled_by is None:
        result.append(Finding(ConditionType.RECONCILING, True, ready.reason, ready.message))
    if stalled_by is not None:
        result.append(Finding(ConditionType.STALLED, True, stalled_by.reason, stalled_by.message))
    if findings.paused:
        result.append(Finding(ConditionType.PAUSED, True, "Paused", "changes are not put into effect"))
    if findings.plan is not None:
        result.append(_planned(findings.plan))
    return result + parts


def _planned(plan: Plan) -> Finding:
    kind = ConditionType.PLANNED
    if plan.obstacle is not None:
        return Finding(kind, False, plan.obstacle.reason, plan.obstacle.message)
    if not plan.changes:
        return Finding(kind, True, "NothingToChange", "every object is as it should be")
    message = f"objects that would change: {len(plan.changes)}; nothing is, as long as the annotation is there"
    return Finding(kind, True, "ChangesPlanned", message)


def _ready(findings: Findings, parts: list[Finding]) -> Finding:
    kind = ConditionType.READY
    if findings.verdict is not None:
        return Finding(kind, False, findings.verdict.reason, findings.verdict.message)
    for part in parts:
        if not part.status and part.reason != DISABLED:
            return Finding(kind, False, part.reason, part.message)
    if not findings.availability.rolled_out:
        return Finding(kind, False, *_rollout(findings.availability))
    if not findings.reloaded:
        return Finding(
            kind, False, "Reloading", "the pods are being told of a new address, users, limits or certificate"
        )
    return Finding(kind, True, "Ready", f"serving at {findings.exposure.address}")


def _rollout(counts: Availability) -> tuple[str, str]:
    """Why it is not over."""
    behind = f"; shards that wait for their turn: {', '.join(map(str, counts.waiting))}" if counts.waiting else ""
    if counts.stuck:
        problem = counts.problem or "a new pod does not get ready"
        return "RolloutStuck", f"{problem}; the pods before it go on serving{behind}"
    return "RollingOut", f"{counts.problem or 'new pods are taking over'}{behind}"


def _certificate(findings: Findings) -> Finding:
    kind = ConditionType.CERTIFICATE_READY
    facts, not_issued = findings.served.facts, findings.not_issued
    if facts is None:
        return Finding(kind, False, "CertificateNotReady", not_issued or findings.served.problem)
    until = f"{facts.not_after:%Y-%m-%d %H:%M:%S} UTC"
    if findings.lifetime is Lifetime.OVER:
        reason = "; ".join(filter(None, (f"clients refuse it: it was valid until {until}", not_issued)))
        return Finding(kind, False, "CertificateExpired", reason)
    if not_issued:
        return Finding(
            kind, False, "CertificateNotReady", f"{not_issued}; until then one valid until {until} is served"
        )
    if findings.lifetime is Lifetime.ENDING:
        return Finding(kind, True, CERTIFICATE_EXPIRING, f"valid until {until}, and not renewed yet")
    return Finding(kind, True, "CertificateValid", f"valid until {until}")


def _users(findings: Findings) -> Finding:
    kind = ConditionType.USERS_READY
    if findings.users is None:
        return Finding(kind, False, PROGRESSING, "the users have not been read yet")
    if findings.user_problems:
        # The API server takes 32 KiB for a message.
        more = len(findings.user_problems) - MAX_NAMED
        told = (*findings.user_problems[:MAX_NAMED], *([f"and {more} more"] if more > 0 else []))
        return Finding(kind, False, "UsersNotReady", "; ".join(told))
    out = f"; FtpsUsers who cannot: {findings.tenants_out}" if findings.tenants_out else ""
    return Finding(kind, True, "UsersReady", f"users who can log in: {findings.users}{out}")


def _client_auth(server: FtpsServer, findings: Findings) -> list[Finding]:
    kind = ConditionType.CLIENT_AUTH_READY
    authorities = server.spec.tls.client_auth.authorities
    if authorities is None:
        return []
    if findings.client_auth_problem:
        return [Finding(kind, False, "ClientAuthNotReady", findings.client_auth_problem)]
    return [Finding(kind, True, "ClientAuthReady", f"trusted are the authorities in Secret {authorities}")]


def _network_policy(server: FtpsServer, findings: Findings) -> Finding:
    kind = ConditionType.NETWORK_POLICY_APPLIED
    if not server.spec.network_policy.enabled:
        return Finding(kind, False, DISABLED, "networkPolicy.enabled is false: the pods are open to the cluster")
    if findings.network_policy_applied:
        return Finding(kind, True, "Applied", "whether it is enforced depends on the cluster's network plugin")
    return Finding(kind, False, PROGRESSING, "the NetworkPolicy has not been written yet")


def _available(findings: Findings) -> Finding:
    kind = ConditionType.AVAILABLE
    counts = findings.availability
    message = f"{counts.ready} of {counts.wanted} replicas are available"
    if counts.ready > 0:
        return Finding(kind, True, "Available", message)
    return Finding(kind, False, "Unavailable", f"{message}: {counts.problem}" if counts.problem else message)


def _address(findings: Findings) -> Finding:
    kind = ConditionType.ADDRESS_ASSIGNED
    exposure = findings.exposure
    if exposure.address is None:
        return Finding(kind, False, "WaitingForAddress", exposure.waiting_for)
    told = f"PASV announces {exposure.address}"
    if ":" in exposure.address:
        told = f"the address is {exposure.address}; PASV knows IPv4 only, clients must use EPSV"
    return Finding(kind, True, "AddressAssigned", f"{told}; {exposure.remark}" if exposure.remark else told)


def dated(findings: Iterable[Finding], previous: Status, *, generation: int, now: str) -> list[dict[str, Any]]:
    """The conditions. One keeps its transition time while its status stands. `now` is RFC 3339."""
    before = {condition["type"]: condition for condition in previous.get("conditions", [])}
    result = []
    for finding in findings:
        status = "True" if finding.status else "False"
        last = before.get(finding.type, {})
        result.append(
            {
                "type": finding.type.value,
                "status": status,
                "observedGeneration": max(generation, 0),
                "lastTransitionTime": last["lastTransitionTime"] if last.get("status") == status else now,
                "reason": finding.reason,
                "message": finding.message,
            }
        )
    return result
