"""What keeps a server from being what it should: ordered checks, the first that fails gives the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ftps_operator.constants import MODE_ANNOTATION, PLAN_MODE
from ftps_operator.desired.loadbalancers import port_problem
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import claimed_slots, is_ours
from ftps_operator.observed import Observed


class Reason(StrEnum):
    """Why a server is stalled; the same word stands in conditions and Events."""

    INVALID_SPEC = "InvalidSpec"
    MODE_UNKNOWN = "ModeUnknown"
    NAME_TAKEN = "NameTaken"
    CERT_MANAGER_MISSING = "CertManagerMissing"
    ISSUER_KIND_UNKNOWN = "IssuerKindUnknown"
    PORT_LIMIT_EXCEEDED = "PortLimitExceeded"
    NODE_PORT_UNAVAILABLE = "NodePortUnavailable"
    OBJECT_REJECTED = "ObjectRejected"
    IMMUTABLE_FIELD = "ImmutableField"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why nothing can be done, and what a person can."""

    reason: Reason
    message: str


Policy = Callable[[FtpsServer, Observed], Verdict | None]


def _names_are_free(server: FtpsServer, observed: Observed) -> Verdict | None:
    # Elsewhere somebody's own of that name is no trouble.
    for kind, name in claimed_slots(server):
        live = observed.objects.get((kind, name))
        if live is not None and not is_ours(live, server):
            return Verdict(
                Reason.NAME_TAKEN,
                f"{kind.kind} {name} exists and does not belong to this FtpsServer:"
                " delete it, or give the FtpsServer another name",
            )
    return None


def _mode_is_known(server: FtpsServer, _: Observed) -> Verdict | None:
    mode = server.metadata.annotations.get(MODE_ANNOTATION, PLAN_MODE)
    if mode == PLAN_MODE:
        return None
    return Verdict(Reason.MODE_UNKNOWN, f"annotation {MODE_ANNOTATION}: there is no mode {mode!r}, only {PLAN_MODE!r}")


def _cert_manager_is_served(server: FtpsServer, observed: Observed) -> Verdict | None:
    if server.spec.tls.cert_manager is None or observed.cert_manager_served:
        return None
    return Verdict(
        Reason.CERT_MANAGER_MISSING,
        "tls.certManager: cert-manager is not installed in this cluster; install it, or use tls.secretName",
    )


def _issuer_kind_is_known(server: FtpsServer, _: Observed) -> Verdict | None:
    wanted = server.spec.tls.cert_manager
    if wanted is None or wanted.issuer_ref.group != "cert-manager.io":
        return None
    if wanted.issuer_ref.kind in ("Issuer", "ClusterIssuer"):
        return None
    return Verdict(
        Reason.ISSUER_KIND_UNKNOWN,
        f"tls.certManager.issuerRef.kind: cert-manager.io has Issuer and ClusterIssuer, no {wanted.issuer_ref.kind}",
    )


def _ports_fit_the_load_balancer(server: FtpsServer, _: Observed) -> Verdict | None:
    problem = port_problem(server)
    return Verdict(Reason.PORT_LIMIT_EXCEEDED, problem) if problem else None


POLICIES: tuple[Policy, ...] = (
    _mode_is_known,  # who misspells `plan` wants nothing changed
    _names_are_free,  # never write over what somebody else made
    _issuer_kind_is_known,  # needs no cluster to be seen
    _ports_fit_the_load_balancer,  # before the cloud refuses, which is seen in its own Events only
    _cert_manager_is_served,  # it may be installed later: the reconcile comes back
)


def evaluate(server: FtpsServer, observed: Observed) -> Verdict | None:
    """The first verdict against going on, or None."""
    return next((verdict for policy in POLICIES if (verdict := policy(server, observed))), None)
