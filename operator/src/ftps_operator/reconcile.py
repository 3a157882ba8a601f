"""One reconcile: from whatever state the cluster is in, a step towards what the resource says."""

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import replace

from pydantic import ValidationError

from ftps_operator import credentials, logs, status
from ftps_operator.apply import RejectedError, Writer, apply_all
from ftps_operator.availability import assess
from ftps_operator.cache import Cache
from ftps_operator.certificates import RENEW_BEFORE, Lifetime
from ftps_operator.constants import MODE_ANNOTATION, PAUSED_ANNOTATION, PLAN_MODE, RELOAD_ANNOTATION
from ftps_operator.credentials import Credentials
from ftps_operator.desired.plan import Inputs, client_auth_problem, inspect_tls
from ftps_operator.desired.reload import pods_to_touch, reload_digest
from ftps_operator.desired.shards import outdated_shards
from ftps_operator.events import EventRecorder
from ftps_operator.exposed import expose
from ftps_operator.gather import gather, named_secrets, own_secrets
from ftps_operator.issuance import is_issued, saying
from ftps_operator.kinds import CERTIFICATE, DEPLOYMENT, FTPS_SERVER, NETWORK_POLICY, POD
from ftps_operator.metrics import Metrics
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, tls_name, users_name
from ftps_operator.observed import Observed
from ftps_operator.planned import Plan, later_changes
from ftps_operator.policies import Reason, Verdict, evaluate
from ftps_operator.refusals import explain
from ftps_operator.rehearsal import Rehearsal
from ftps_operator.secretpoll import SecretPoll
from ftps_operator.settings import Settings
from ftps_operator.status import Findings, Status
from ftps_operator.transitions import transitions
from ftps_operator.workqueue import Key

RETRY_ISSUING_SECONDS = 10.0
"""CertificateRequests, in which cert-manager tells what an issuer lacks, are not watched."""
RETRY_STALLED_SECONDS = 30.0
"""What stalls a server may be mended elsewhere, unseen by our watches: cert-manager installed, a name set free."""


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Reconciler:
    """Brings one server to what its resource says. Safe to stop at any moment: the next run starts from what is."""

    def __init__(
        self,
        *,
        cache: Cache,
        settings: Settings,
        events: EventRecorder,
        named_secrets: SecretPoll[Key],
        own_secrets: SecretPoll[Key],
        metrics: Metrics,
        now: Callable[[], datetime.datetime] = _utc_now,
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._events = events
        self._named_secrets = named_secrets
        self._own_secrets = own_secrets
        self._metrics = metrics
        self._now = now

    async def __call__(self, key: Key) -> float | None:
        """Reconcile once. Returns after how many seconds to come back without an event, None for never."""
        self._metrics.reconciles.inc()
        with self._metrics.reconcile_seconds.time(), self._metrics.reconcile_errors.count_exceptions():
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> float | None:
        body = await self._cache.get(FTPS_SERVER, key.namespace, key.name)
        if body is None or "deletionTimestamp" in body["metadata"] or not self._is_of_our_class(body):
            self._forget(key)
            return None
        logs.of_generation(body["metadata"]["generation"])
        try:
            server = FtpsServer.parse(body)
        except ValidationError as error:
            await self._write_status(body, self._unreadable(body, error))
            return None
        is_paused = server.metadata.annotations.get(PAUSED_ANNOTATION) == "true"
        is_planning = server.metadata.annotations.get(MODE_ANNOTATION) == PLAN_MODE
        is_held = is_paused or is_planning
        if not is_held:
            body = await self._announce_change(body)
        observed = await gather(self._cache, server)
        users = await asyncio.to_thread(self._resolve_users, server, observed)
        verdict = evaluate(server, observed)
        plan = await self._plan(server, observed, users, verdict) if is_planning else None
        if verdict is None and not is_held:
            settled = status.is_ready(body.get("status", {}), server.metadata.generation)
            observed, verdict = await self._put_into_effect(
                self._cache, server, observed, users, settled=settled, metrics=self._metrics
            )
        self._watch_secrets(key, server, observed)
        findings = replace(
            _findings(server, observed, users, default_image=self._settings.server_image, now=self._now()),
            verdict=verdict,
            paused=is_paused,
            plan=plan,
            reloaded=not is_held or not pods_to_touch(observed, reload_digest(server, observed)),
        )
        self._tell(key, findings)
        await self._write_status(
            body, status.compute(server, findings, previous=body.get("status", {}), now=self._timestamp())
        )
        return self._come_back(server, findings)

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
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        )
        verdict = Verdict(Reason.INVALID_SPEC, problems)
        return status.stalled(body["metadata"], verdict, body.get("status", {}), now=self._timestamp())

    @staticmethod
    def _resolve_users(server: FtpsServer, observed: Observed) -> Credentials:
        own = observed.secrets.get(users_name(server.metadata.name))
        return credentials.resolve(server.spec.users, secrets=observed.secrets, previous=own)

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

    def _watch_secrets(self, key: Key, server: FtpsServer, observed: Observed) -> None:
        for poll, names in ((self._named_secrets, named_secrets(server)), (self._own_secrets, own_secrets(server))):
            found = {name: observed.secrets.get(name) for name in names}
            poll.watch(
                key, {(key.namespace, name): each.resource_version if each else None for name, each in found.items()}
            )

    def _forget(self, key: Key) -> None:
        self._named_secrets.forget(key)
        self._own_secrets.forget(key)
        self._metrics.forget(*key)

    async def _write_status(self, body: Manifest, wanted: Status) -> Manifest:
        previous: Status = body.get("status", {})
        if wanted == previous:
            return body
        meta = body["metadata"]
        self._metrics.status_writes.inc()
        with self._metrics.status_errors.count_exceptions():
            written = await self._cache.apply_status(
                {
                    "apiVersion": body["apiVersion"],
                    "kind": body["kind"],
                    # The uid: an object deleted and made anew must not get its predecessor's status.
                    "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
                    "status": wanted,
                }
            )
        for event in transitions(previous, wanted):
            await self._events.emit(body, event)
        return written

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
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _findings(
    server: FtpsServer,
    observed: Observed,
    users: Credentials,
    *,
    default_image: str,
    now: datetime.datetime,
) -> Findings:
    served = inspect_tls(server, observed)
    return Findings(
        users=len(users.users.users),
        user_problems=users.problems,
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


def _not_issued(server: FtpsServer, observed: Observed) -> str:
    """What cert-manager says of a certificate that it has not issued as it is asked for. Empty: nothing is amiss."""
    if server.spec.tls.cert_manager is None:
        return ""
    certificate = observed.own(server, CERTIFICATE, tls_name(server.metadata.name))
    if certificate is None or is_issued(certificate):
        return ""
    return saying(certificate, observed.certificate_request)
