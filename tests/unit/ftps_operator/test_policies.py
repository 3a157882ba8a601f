from typing import Any

from ftps_operator.kinds import (
    CERTIFICATE,
    CONFIG_MAP,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE_ACCOUNT,
    Kind,
)
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import config_name, labels, metadata
from ftps_operator.observed import Observed
from ftps_operator.policies import Reason, evaluate
from support.samples import server

CERT_MANAGER = {"certManager": {"issuerRef": {"name": "a"}}}


def config_map(meta: dict[str, object]) -> Observed:
    return Observed(objects={(CONFIG_MAP, config_name("exchange")): {"metadata": meta}})


def test_nothing_speaks_against_a_new_server():
    assert evaluate(server(), Observed()) is None


def test_an_object_of_somebody_else_is_never_taken_over():
    verdict = evaluate(server(), config_map({"name": "exchange-config", "labels": {}}))
    assert verdict is not None
    assert verdict.reason is Reason.NAME_TAKEN


def test_an_object_of_a_predecessor_of_the_same_name_is_not_ours():
    meta = metadata(server(), "exchange-config")
    meta["ownerReferences"][0]["uid"] = "another"
    verdict = evaluate(server(), config_map(meta))
    assert verdict is not None


def test_our_own_object_is_ours_also_without_an_owner():
    assert evaluate(server(), config_map({"name": "exchange-config", "labels": labels("exchange")})) is None


def test_cert_manager_is_asked_for_only_where_it_is_needed():
    absent = Observed(cert_manager_served=False)
    assert evaluate(server(), absent) is None
    verdict = evaluate(server(tls=CERT_MANAGER), absent)
    assert verdict is not None
    assert verdict.reason is Reason.CERT_MANAGER_MISSING


def test_an_external_issuer_s_kind_is_its_own_affair():
    external = {"certManager": {"issuerRef": {"name": "a", "kind": "Other", "group": "example.com"}}}
    assert evaluate(server(tls=external), Observed()) is None


def test_more_ports_than_the_load_balancer_takes_are_refused_before_it_does():
    service = {"type": "LoadBalancer", "loadBalancerProfile": "AwsNlb"}
    assert evaluate(server(service=service), Observed()) is None
    verdict = evaluate(server(service=service, passive={"maxReplicas": 4}), Observed())
    assert verdict is not None
    assert verdict.reason is Reason.PORT_LIMIT_EXCEEDED


def taken(kind: Kind, name: str, **spec: Any) -> bool:
    """Whether somebody's own object of that name stalls a server."""
    return evaluate(server(**spec), Observed(objects={(kind, name): {"metadata": {"name": name}}})) is not None


def test_somebody_s_own_is_no_trouble_where_nothing_is_to_be_made():
    assert taken(SERVICE_ACCOUNT, "exchange")
    assert not taken(SERVICE_ACCOUNT, "exchange", serviceAccountName="exchange")
    assert taken(SECRET, "exchange-tls", tls={"selfSigned": {}})
    assert not taken(SECRET, "exchange-tls", tls={"secretName": "exchange-tls"})
    assert taken(CERTIFICATE, "exchange-tls", tls=CERT_MANAGER)
    assert not taken(CERTIFICATE, "exchange-tls", tls={"secretName": "exchange-tls"})
    assert taken(PERSISTENT_VOLUME_CLAIM, "exchange-data", storage={"persistentVolumeClaim": {"size": "1Gi"}})
    assert not taken(PERSISTENT_VOLUME_CLAIM, "exchange-data", storage={"existingClaim": "exchange-data"})
    assert taken(NETWORK_POLICY, "exchange")
    assert not taken(NETWORK_POLICY, "exchange", networkPolicy={"enabled": False})
    assert taken(POD_DISRUPTION_BUDGET, "exchange")
    assert not taken(POD_DISRUPTION_BUDGET, "exchange", podDisruptionBudget={"enabled": False})


def with_mode(mode: str) -> FtpsServer:
    made = server()
    annotations = {"ftps-operator.io/mode": mode}
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"annotations": annotations})})


def test_a_mode_that_there_is_not_stops_everything():
    assert evaluate(with_mode("plan"), Observed()) is None
    verdict = evaluate(with_mode("plna"), Observed())
    assert verdict is not None
    assert verdict.reason is Reason.MODE_UNKNOWN
