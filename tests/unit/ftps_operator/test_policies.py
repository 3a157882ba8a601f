from ftps_operator.kinds import CONFIG_MAP
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
