"""The chart: what it renders, what it refuses, and its life in a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.servers import ftps_server, temporary_namespace
from testbed import Cluster, connect
from testbed.errors import TestbedError
from testbed.install import CHART, NAMESPACE, RELEASE, install_operator
from testbed.paths import CHECKOUT

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return connect()


def render(cluster: Cluster, *settings: str) -> list[dict[str, Any]]:
    flags = [word for setting in settings for word in ("--set-json", setting)]
    text = cluster.helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *flags)
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(documents: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] in kinds]


def rules(documents: list[dict[str, Any]]) -> list[dict[str, list[str]]]:
    return [rule for role in of_kind(documents, "Role", "ClusterRole") for rule in role["rules"]]


@pytest.mark.parametrize("settings", [(), ('watchNamespaces=["a","b"]',)], ids=["cluster-wide", "namespaced"])
def test_no_permission_is_a_wildcard_and_secrets_are_never_listed(cluster: Cluster, settings: tuple[str, ...]):
    for rule in rules(render(cluster, *settings)):
        for field in ("apiGroups", "resources", "verbs"):
            assert not any("*" in entry for entry in rule[field]), rule
        if "secrets" in rule["resources"]:
            assert {"list", "watch"}.isdisjoint(rule["verbs"])


def test_a_namespaced_operator_has_no_cluster_role(cluster: Cluster):
    documents = render(cluster, 'watchNamespaces=["a","b"]')
    assert of_kind(documents, "ClusterRole", "ClusterRoleBinding") == []
    assert {"a", "b", NAMESPACE} == {role["metadata"]["namespace"] for role in of_kind(documents, "Role")}


def test_the_crds_are_those_of_the_models_and_are_kept(cluster: Cluster):
    crds = {crd["metadata"]["name"]: crd for crd in of_kind(render(cluster), "CustomResourceDefinition")}
    for file in (CHECKOUT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(file.read_text())
        rendered = crds.pop(crd["metadata"]["name"])
        assert rendered["spec"] == crd["spec"]
        assert rendered["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert crds == {}
    assert of_kind(render(cluster, "crds.enabled=false"), "CustomResourceDefinition") == []


def test_a_digest_wins_over_a_tag(cluster: Cluster):
    digest = f"sha256:{'0' * 64}"
    (deployment,) = of_kind(render(cluster, f'image.digest="{digest}"'), "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == f"ftps-operator@{digest}"


def test_an_operator_of_a_class_has_a_lease_of_its_own(cluster: Cluster):
    for settings, lease in (((), RELEASE), (('operatorClass="canary"',), f"{RELEASE}-canary")):
        documents = render(cluster, *settings)
        (deployment,) = of_kind(documents, "Deployment")
        environment = {
            each["name"]: each.get("value") for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        assert environment["FTPS_OPERATOR_LEASE_NAME"] == lease
        assert environment.get("FTPS_OPERATOR_OPERATOR_CLASS") == ("canary" if settings else None)
        named = [rule["resourceNames"] for rule in rules(documents) if "resourceNames" in rule]
        assert named == [[lease]]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("imge.tag=1", "imge"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("replicas=0", "replicas"),
        ("image.digest=latest", "digest"),
        ("logLevel=loud", "logLevel"),
        ("logFormat=xml", "logFormat"),
        ("operatorClass=Canary", "operatorClass"),
    ],
)
def test_a_bad_value_is_refused_by_name(cluster: Cluster, setting: str, words: str):
    with pytest.raises(TestbedError, match=words):
        cluster.helm("template", RELEASE, str(CHART), "--set", setting)


def test_install_upgrade_and_uninstall(cluster: Cluster):
    """Servers live on while the operator is upgraded, and after it is gone."""
    install_operator(cluster)
    with temporary_namespace(cluster, "chart") as namespace:
        namespace.apply(ftps_server("lasting"))
        namespace.wait_ready("lasting")
        pod = namespace.pods("lasting")[0]["metadata"]["uid"]

        install_operator(cluster, "logLevel=debug")
        environment = json.loads(
            cluster.kubectl("get", "deployment", RELEASE, "-n", NAMESPACE, "-o", "jsonpath={..containers[0].env}")
        )
        assert {"name": "FTPS_OPERATOR_LOG_LEVEL", "value": "debug"} in environment
        assert namespace.wait_ready("lasting")
        assert namespace.pods("lasting")[0]["metadata"]["uid"] == pod

        cluster.helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait")
        ours = f"app.kubernetes.io/instance={RELEASE}"
        assert cluster.kubectl("get", "deployment,clusterrole", "-l", ours, "-A") == ""
        assert namespace.pods("lasting")[0]["metadata"]["uid"] == pod
        # No finalizer: deletion needs no operator.
        namespace.delete("ftpsserver", "lasting")
    install_operator(cluster)


def test_the_chart_has_no_file_that_is_not_rendered():
    files = {path.relative_to(CHART).parts[0] for path in Path(CHART).rglob("*") if path.is_file()}
    assert files == {".helmignore", "Chart.yaml", "files", "templates", "values.schema.json", "values.yaml"}
