"""Everything that one server should consist of, in the order in which it is written."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ftps_operator import certificates
from ftps_operator.certificates import CertificateFacts
from ftps_operator.constants import GROUP
from ftps_operator.credentials import Credentials
from ftps_operator.desired.account import build_service_account
from ftps_operator.desired.certificate import build_certificate, service_names
from ftps_operator.desired.config import build_address_config, build_config_map
from ftps_operator.desired.deployment import tls_secret_name
from ftps_operator.desired.disruption import build_disruption_budget
from ftps_operator.desired.networkpolicy import build_network_policy
from ftps_operator.desired.secrets import ISSUER_GROUP_ANNOTATION, build_tls_secret, build_users_secret
from ftps_operator.desired.service import build_service
from ftps_operator.desired.shards import build_shard, outdated_shards
from ftps_operator.desired.storage import build_claim
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest, metadata, tls_name
from ftps_operator.observed import Observed
from ftps_server.config import CERTIFICATE_FILE, CLIENT_CA_FILE, CLIENT_CRL_FILE, PRIVATE_KEY_FILE, SERVER_FILE


@dataclass(frozen=True, slots=True)
class Served:
    """The certificate that the pods have, or why they have none."""

    facts: CertificateFacts | None
    problem: str = ""


def inspect_tls(server: FtpsServer, observed: Observed) -> Served:
    """Look at the Secret that the pods mount."""
    name = tls_secret_name(server)
    secret = observed.secrets.get(name)
    if secret is None:
        return Served(None, f"Secret {name} is missing")
    try:
        facts = certificates.inspect(
            secret.data.get(CERTIFICATE_FILE.name, b""), secret.data.get(PRIVATE_KEY_FILE.name, b"")
        )
    except ValueError as error:
        return Served(None, f"Secret {name}: {error}")
    return Served(facts)


def client_auth_problem(server: FtpsServer, observed: Observed) -> str:
    """Why the pods cannot know whose client certificates to trust. Empty: they can, or need not."""
    name = server.spec.tls.client_auth.authorities
    if name is None:
        return ""
    secret = observed.secrets.get(name)
    if secret is None:
        return f"Secret {name} is missing"
    try:
        certificates.check_authorities(secret.data.get(CLIENT_CA_FILE.name, b""), secret.data.get(CLIENT_CRL_FILE.name))
    except ValueError as error:
        return f"Secret {name}: {error}"
    return ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the objects are made of besides the resource and the cluster."""

    credentials: Credentials
    default_image: str
    now: datetime.datetime


Step = Callable[[FtpsServer, Observed, Inputs], Manifest | None]


def _service_account(server: FtpsServer, _: Observed, __: Inputs) -> Manifest | None:
    return build_service_account(server) if server.spec.service_account_name is None else None


def _network_policy(server: FtpsServer, _: Observed, __: Inputs) -> Manifest | None:
    return build_network_policy(server) if server.spec.network_policy.enabled else None


def _service(server: FtpsServer, _: Observed, __: Inputs) -> Manifest:
    return build_service(server)


def _config_map(server: FtpsServer, observed: Observed, _: Inputs) -> Manifest:
    made = build_config_map(server, build_address_config(server, observed.service(server)))
    live = observed.config_map(server)
    if live is not None and client_auth_problem(server, observed):
        # The pods stay as they are. A container that restarts must not be told of files that its pod does not have.
        made["data"] |= {key: text for key, text in live.get("data", {}).items() if key == SERVER_FILE.name}
    return made


def _users_secret(server: FtpsServer, _: Observed, inputs: Inputs) -> Manifest:
    return build_users_secret(server, inputs.credentials.users, inputs.credentials.sources)


def _certificate(server: FtpsServer, _: Observed, __: Inputs) -> Manifest | None:
    wanted = server.spec.tls.cert_manager
    return build_certificate(server, wanted) if wanted is not None else None


def _tls_secret(server: FtpsServer, observed: Observed, inputs: Inputs) -> Manifest | None:
    secret = observed.secrets.get(tls_name(server.metadata.name))
    if server.spec.tls.self_signed is not None:
        return _self_signed(server, observed, now=inputs.now)
    if server.spec.tls.cert_manager is None or secret is None:
        return None
    if secret.annotations.get(ISSUER_GROUP_ANNOTATION) == GROUP:
        return None  # self-signed: it serves on until cert-manager has written its own into it
    # cert-manager leaves its Secret behind when the Certificate goes; an owner takes it along. The uid keeps the
    # apply from making an empty Secret, should this one be gone by now. The type cannot change: of a Secret that was
    # self-signed it is ours, and left out it would be.
    meta = metadata(server, secret.name) | {"uid": secret.uid}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls"}


def _claim(server: FtpsServer, _: Observed, __: Inputs) -> Manifest | None:
    wanted = server.spec.storage.persistent_volume_claim
    return build_claim(server, wanted) if wanted is not None else None


def _disruption_budget(server: FtpsServer, _: Observed, __: Inputs) -> Manifest | None:
    return build_disruption_budget(server) if server.spec.pod_disruption_budget.enabled else None


def _shard(ordinal: int, server: FtpsServer, observed: Observed, inputs: Inputs) -> Manifest | None:
    # A pod whose Secret is missing waits in the kubelet's back-off, for minutes: it is made once there is one. Until
    # then those that there are go on as they are.
    lacks_files = inspect_tls(server, observed).facts is None or client_auth_problem(server, observed)
    if lacks_files and ordinal in outdated_shards(server, observed, default_image=inputs.default_image):
        return None
    return build_shard(server, observed, ordinal, default_image=inputs.default_image)


_STEPS: tuple[Step, ...] = (
    _network_policy,  # before there is a pod to protect
    _service_account,
    _disruption_budget,
    _users_secret,
    _service,  # has the address
    _config_map,  # tells it
    # What others act on comes behind what only lies there: a name that is taken shows before anything has begun.
    _claim,
    _certificate,
    _tls_secret,
)


def steps(server: FtpsServer) -> tuple[Step, ...]:
    """What is written, in this order: each step sees what the API server answered to the steps before it.

    A step that makes None: not wanted, or not possible yet.
    """
    # They mount all of the rest.
    return (*_STEPS, *(partial(_shard, ordinal) for ordinal in range(server.spec.replicas)))


def _self_signed(server: FtpsServer, observed: Observed, *, now: datetime.datetime) -> Manifest:
    """The Secret as it stands, until it is due."""
    names = service_names(server)
    served = inspect_tls(server, observed)
    secret = observed.secrets.get(tls_name(server.metadata.name))
    if secret is None or served.facts is None or certificates.is_due(served.facts, names, now=now):
        pair = certificates.self_sign(names, now=now)
        return build_tls_secret(server, certificate=pair.certificate, private_key=pair.private_key)
    return build_tls_secret(
        server,
        certificate=secret.data[CERTIFICATE_FILE.name],
        private_key=secret.data[PRIVATE_KEY_FILE.name],
    )
