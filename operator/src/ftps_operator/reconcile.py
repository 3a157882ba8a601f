"""One reconcile: from whatever state the cluster is in, a step towards what the resource says."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import replace

from pydantic import ValidationError

from ftps_operator import logs, status
from ftps_operator.apply import RejectedError, Writer, apply_all
from ftps_operator.availability import assess
from ftps_operator.cache import Cache
from ftps_operator.certificates import RENEW_BEFORE, Lifetime
from ftps_operator.clock import timestamp, utc_now
from ftps_operator.constants import MODE_ANNOTATION, PAUSED_ANNOTATION, PLAN_MODE, RELOAD_ANNOTATION
from ftps_operator.credentials import Credentials
from ftps_operator.desired.plan import Inputs, client_auth_problem, inspect_tls
from ftps_operator.desired.reload import pods_to_touch, reload_digest
from ftps_operator.desired.shards import outdated_shards
from ftps_operator.exposed import expose
from ftps_operator.gather import gather, named_secrets
from ftps_operator.issuance import is_issued, saying
from ftps_operator.kinds import CERTIFICATE, DEPLOYMENT, FTPS_SERVER, NETWORK_POLICY, POD
from ftps_operator.metrics import Metrics
from ftps_operator.models.base import describe
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, tls_name, users_name
from ftps_operator.observed import Observed
from ftps_operator.planned import Plan, later_changes
from ftps_operator.policies import Reason, Verdict, evaluate
from ftps_operator.refusals import explain
from ftps_operator.rehearsal import Rehearsal
from ftps_operator.secretpoll import SecretName, SecretPoll
from ftps_operator.secretview import SecretView
from ftps_operator.serverusers import Found, ServerUsers
from ftps_operator.settings import Settings
from ftps_operator.status import Findings, Status
from ftps_operator.statuswriter import StatusWriter
from ftps_operator.tenants import UserReason
from ftps_operator.workqueue import Key

RETRY_ISSUING_SECONDS = 10.0
"""CertificateRequests, in which cert-manager tells what an issuer lacks, are not watched."""
RETRY_STALLED_SECONDS = 30.0
"""What stalls a server may be mended elsewhere, unseen by our watches: cert-manager installed, a name set free."""


class Reconciler:
    """Brings one server to what its resource says. Safe to stop at any moment: the next run starts from what is."""

    def __init__(
        self,
        *,
        cache: Cache,
        settings: Settings,
        write_status: StatusWriter,
        named_secrets: SecretPoll[Key],
        own_secrets: SecretPoll[Key],
        users: ServerUsers,
        metrics: Metrics,
        now: Callable[[], datetime.datetime] = utc_now,
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._write_status = write_status
        self._named_secrets = named_secrets
        self._own_secrets = own_secrets
        self._users = users
        self._metrics = metrics
        self._now = now

    async def __call__(self, key: Key) -> float | None:
        """Reconcile once. Returns after how many seconds to come back without an event, None for never."""
        self._metrics.reconciles.inc()
        with self._metrics.reconcile_seconds.time(), self._metrics.reconcile_errors.count_exceptions():
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> float | None:
        body = await self._cache.get(FTPS_SERVER, *key) if self._users.looks_after(key) else None
        if body is None or "deletionTimestamp" in body["metadata"]:
            self._forget(key)
            self._users.tell_all(key, UserReason.SERVER_NOT_FOUND, self._not_found(key))
            return None
        if not self._is_of_our_class(body):
            self._forget(key)
            self._users.tell_nothing(key)
            return None
        logs.of_generation(body["metadata"]["generation"])
        try:
            server = FtpsServer.parse(body)
        except ValidationError as error:
            await self._write_status(body, self._unreadable(body, error))
            message = f"FtpsServer {'/'.join(key)} has a spec that breaks a rule: its status says which"
            self._users.tell_all(key, UserReason.SERVER_NOT_READY, message)
            return None
        is_paused = server.metadata.annotations.get(PAUSED_ANNOTATION) == "true"
        is_planning = server.metadata.annotations.get(MODE_ANNOTATION) == PLAN_MODE
        is_held = is_paused or is_planning
        if not is_held:
            body = await self._announce_change(body)
        observed = await gather(self._cache, server)
        self._watch_own_secrets(key, server, observed)  # and again below: what was missing or edited counts as recent
        verdict = evaluate(server, observed)  # first: nothing is hashed that cannot be written
        users = await self._users.find(
            server,
            written=_users_secret(server, observed),
            may_hash=verdict is None and not is_held,
            pretends=is_planning,
        )
        self._watch_named_secrets(key, server, observed, users)
        plan = await self._plan(server, observed, users.credentials, verdict) if is_planning else None
        if verdict is None and not is_held:
            settled = status.is_ready(body.get("status", {}), server.metadata.generation)
            observed, verdict = await self._put_into_effect(
                self._cache, server, observed, users.credentials, settled=settled, metrics=self._metrics
            )
        self._watch_own_secrets(key, server, observed)
        waits_for = f"FtpsServer {'/'.join(key)} {_state(verdict, paused=is_paused, planning=is_planning)}"
        findings = replace(
            _findings(server, observed, users, default_image=self._settings.server_image, now=self._now()),
            verdict=verdict,
            paused=is_paused,
            plan=plan,
            tenants_out=self._users.tell(users, written=_users_secret(server, observed), waits_for=waits_for),
            reloaded=not is_held or not pods_to_touch(observed, reload_digest(server, observed)),
        )
        self._tell(key, findings)
        await self._write_status(
            body, status.compute(server, findings, previous=body.get("status", {}), now=self._timestamp())
        )
        if users.credentials.is_pending and findings.verdict is None and not is_held:
            return 0.0
        return self._come_back(server, findings)

    def _not_found(self, key: Key) -> str:
        if self._users.looks_after(key):
            return f"there is no FtpsServer {'/'.join(key)}: make it, or correct spec.serverRef"
        return f"spec.serverRef: this operator does not look after the FtpsServers of namespace {key.namespace}"

    def _is_of_our_class(self, body: Manifest) -> bool:
        """Whether the server is of this operator's class. Another's is left as it stands, its status included."""
        found: str = body["spec"].get("operatorClass", "")
        return found == self._settings.operator_class

    async def _announce_change(self, body: Manifest) -> Manifest:
        """Let Ready turn False before anything is done about a new generation."""
        previous: Status = body.get("status", {})
        if previous.get("observedGeneration", -1) == body["metadata"]["generation"]:
            return body
        return await self._write_status(body, status.in_progress(body["metadata"], previous, now=self._timestamp()))

    def _unreadable(self, body: Manifest, error: ValidationError) -> Status:
        verdict = Verdict(Reason.INVALID_SPEC, describe(error))
        return status.stalled(body["metadata"], verdict, body.get("status", {}), now=self._timestamp())

    async def _plan(self, server: FtpsServer, observed: Observed, users: Credentials, verdict: Verdict | None) -> Plan:
        rehearsal = Rehearsal(self._cache, observed)
        if verdict is None:
            _, verdict = await self._put_into_effect(
                rehearsal, server, observed, users, settled=False, metrics=Metrics()
            )
        noted = {change.name for change in rehearsal.changes if change.kind == DEPLOYMENT}
        later = later_changes(server, observed, noted, default_image=self._settings.server_image)
        return Plan((*rehearsal.changes, *later), obstacle=verdict)

    async def _put_into_effect(
        self,
        writer: Writer,
        server: FtpsServer,
        observed: Observed,
        users: Credentials,
        *,
        settled: bool,
        metrics: Metrics,
    ) -> tuple[Observed, Verdict | None]:
        inputs = Inputs(credentials=users, default_image=self._settings.server_image, now=self._now())
        try:
            observed = await apply_all(writer, server, observed, inputs, settled=settled, metrics=metrics)
        except RejectedError as rejected:
            return observed, explain(server, rejected.manifest, rejected.error)
        # Only now that the files have changed: the kubelet reads them as soon as it sees the annotation.
        wanted = reload_digest(server, observed)
        for pod in pods_to_touch(observed, wanted):
            await writer.annotate(POD, server.metadata.namespace, pod, {RELOAD_ANNOTATION: wanted})
        return observed, None

    def _watch_named_secrets(self, key: Key, server: FtpsServer, observed: Observed, users: Found) -> None:
        of_server = {(key.namespace, name): observed.secrets.get(name) for name in named_secrets(server)}
        self._named_secrets.watch(key, _versions({**users.secrets, **of_server}))

    def _watch_own_secrets(self, key: Key, server: FtpsServer, observed: Observed) -> None:
        names = {users_name(server.metadata.name)}
        if server.spec.tls.self_signed is not None:  # what becomes of cert-manager's shows in its Certificate
            names.add(tls_name(server.metadata.name))
        own = {(key.namespace, name): observed.secrets.get(name) for name in names}
        self._own_secrets.watch(key, _versions(own))

    def _forget(self, key: Key) -> None:
        self._named_secrets.forget(key)
        self._own_secrets.forget(key)
        self._metrics.forget(*key)

    def _tell(self, key: Key, findings: Findings) -> None:
        self._metrics.stalled.labels(*key).set(findings.verdict is not None)
        if (facts := findings.served.facts) is not None:
            self._metrics.certificate_expiry.labels(*key).set(facts.not_after.timestamp())

    def _come_back(self, server: FtpsServer, findings: Findings) -> float | None:
        if findings.verdict is not None:
            return RETRY_STALLED_SECONDS
        if findings.not_issued:
            return RETRY_ISSUING_SECONDS
        facts = findings.served.facts
        if facts is None:
            return None
        moments = [facts.ends_soon_at, facts.not_after]
        if server.spec.tls.self_signed is not None:
            moments.append(facts.not_after - RENEW_BEFORE)
        now = self._now()
        return min(((moment - now).total_seconds() for moment in moments if moment > now), default=None)

    def _timestamp(self) -> str:
        return timestamp(self._now())


def _findings(
    server: FtpsServer,
    observed: Observed,
    users: Found,
    *,
    default_image: str,
    now: datetime.datetime,
) -> Findings:
    served = inspect_tls(server, observed)
    return Findings(
        users=len(users.credentials.users.users),
        user_problems=users.server_problems,
        served=served,
        lifetime=served.facts.lifetime(now) if served.facts else Lifetime.GOOD,
        not_issued=_not_issued(server, observed),
        client_auth_problem=client_auth_problem(server, observed),
        availability=assess(
            [observed.deployment(server, ordinal) for ordinal in range(server.spec.replicas)],
            observed.pods,
            outdated=outdated_shards(server, observed, default_image=default_image),
        ),
        exposure=expose(server, observed),
        network_policy_applied=observed.own(server, NETWORK_POLICY, server.metadata.name) is not None,
    )


def _versions(secrets: Mapping[SecretName, SecretView | None]) -> dict[SecretName, str | None]:
    return {name: secret.resource_version if secret else None for name, secret in secrets.items()}


def _users_secret(server: FtpsServer, observed: Observed) -> SecretView | None:
    return observed.secrets.get(users_name(server.metadata.name))


def _state(verdict: Verdict | None, *, paused: bool, planning: bool) -> str:
    """Why a server's pods have not been told of a user."""
    if verdict is not None:
        return f"is stalled: {verdict.message}"
    if paused:
        return "is paused"
    return "only plans its changes" if planning else "has not been told yet"


def _not_issued(server: FtpsServer, observed: Observed) -> str:
    """What cert-manager says of a certificate that it has not issued as it is asked for. Empty: nothing is amiss."""
    if server.spec.tls.cert_manager is None:
        return ""
    certificate = observed.own(server, CERTIFICATE, tls_name(server.metadata.name))
    if certificate is None or is_issued(certificate):
        return ""
    return saying(certificate, observed.certificate_request)
