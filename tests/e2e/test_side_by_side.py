"""A second operator: of a class of its own, for one namespace, with Roles only. Neither gets in the other's way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.polling import eventually
from support.servers import (
    Namespace,
    condition,
    ftps_server,
    ftps_user,
    owned,
    password_secret,
    temporary_namespace,
)
from testbed import Cluster
from testbed.install import RELEASE, install_operator

CLASS = "second"
SECOND = "ftps-second"
UNSEEN = {"observedGeneration": -1}


@pytest.fixture(scope="module")
def second(operator: Cluster, namespace: Namespace) -> Iterator[Cluster]:
    """The second operator, in a namespace of its own, for the tests' namespace."""
    settings = [f"watchNamespaces={{{namespace.name}}}", f"operatorClass={CLASS}", "crds.enabled=false"]
    install_operator(operator, *settings, release=SECOND, namespace=SECOND)
    yield operator
    operator.helm("uninstall", SECOND, "--namespace", SECOND, "--wait")
    operator.kubectl("delete", "namespace", SECOND, "--wait=false")


def writers(namespace: Namespace, name: str) -> set[str]:
    """The operators that have told of a server."""
    events = [
        event for event in namespace.objects("events.events.k8s.io") if event["regarding"]["kind"] == "FtpsServer"
    ]
    pods = {event["reportingInstance"] for event in events if event["regarding"]["name"] == name}
    return {pod.rsplit("-", 2)[0] for pod in pods}


def test_an_operator_for_some_namespaces_has_roles_only(second: Cluster, namespace: Namespace):
    ours = f"app.kubernetes.io/instance={SECOND}"
    assert second.kubectl("get", "clusterroles,clusterrolebindings", "-l", ours, "-o", "name") == ""
    account = f"--as=system:serviceaccount:{SECOND}:{SECOND}"

    def may(verb: str, resource: str, *where: str) -> bool:
        return second.kubectl("auth", "can-i", verb, resource, account, *where, check=False).strip() == "yes"

    assert may("patch", "deployments", "-n", namespace.name)
    for where in (("-n", "default"), ("-n", SECOND), ("--all-namespaces",)):
        for verb, resource in (("get", "secrets"), ("list", "ftpsservers"), ("patch", "deployments")):
            assert not may(verb, resource, *where), (verb, resource, where)


def test_each_looks_after_its_class_in_one_namespace(second: Cluster, namespace: Namespace):
    namespace.apply(
        ftps_server("nobodys", operatorClass="third"),
        ftps_server("plain"),
        ftps_server("classy", operatorClass=CLASS, tls={"certManager": {"issuerRef": second.issuer}}),
    )
    namespace.wait_ready("classy")
    namespace.wait_ready("plain")
    eventually(lambda: writers(namespace, "classy") and writers(namespace, "plain"), seconds=10)
    assert writers(namespace, "classy") == {SECOND}
    assert writers(namespace, "plain") == {RELEASE}
    assert namespace.server("nobodys")["status"] == UNSEEN
    assert owned(namespace, "nobodys") == {}


def test_a_namespace_that_is_not_watched_is_left_alone(second: Cluster, namespace: Namespace):
    with temporary_namespace(second, "elsewhere") as elsewhere:
        elsewhere.apply(ftps_server("classy", operatorClass=CLASS))
        namespace.apply(ftps_server("later", operatorClass=CLASS))
        namespace.wait_ready("later")
        assert elsewhere.server("classy")["status"] == UNSEEN
        assert owned(elsewhere, "classy") == {}


def user(namespace: Namespace, name: str) -> dict[str, Any]:
    found = namespace.get("ftpsuser", name)
    assert found is not None
    return found


def ready(namespace: Namespace, name: str, reason: str) -> dict[str, Any]:
    """Wait until a user is told a reason."""

    def look() -> dict[str, Any] | None:
        found = condition(user(namespace, name), "Ready")
        return found if found["reason"] == reason else None

    return eventually(look, seconds=15, what=f"{name}: {reason}") or {}


def test_an_operator_with_roles_only_takes_in_the_users_of_its_namespaces(second: Cluster, namespace: Namespace):
    allowed = {"from": "Selector", "selector": {"matchLabels": {"team": "blue"}}}
    namespace.apply(
        password_secret("paula"),
        ftps_server("shared", operatorClass=CLASS, allowedUserNamespaces=allowed),
        ftps_user("paula", "shared"),
    )
    ready(namespace, "paula", "Ready")
    message = condition(namespace.server("shared"), "UsersReady")["message"]
    assert "may not read the labels of any: use from: Same, or All" in message
    with temporary_namespace(second, "blue") as blue:
        second.kubectl("label", "namespace", blue.name, "team=blue")
        blue.apply(password_secret("quinn"), ftps_user("quinn", "shared", namespace.name))
        # Both operators have seen that one once they have seen this one.
        namespace.apply(ftps_user("rita", "shared"), ftps_user("sam", "gone"))
        ready(namespace, "rita", "SecretNotFound")
        ready(namespace, "sam", "ServerNotFound")
        assert user(blue, "quinn")["status"] == UNSEEN
        assert namespace.server("shared")["status"]["users"] == 1
    namespace.delete("ftpsserver", "shared")


def test_of_a_server_that_is_nowhere_two_operators_do_not_go_on_telling(second: Cluster, namespace: Namespace):
    namespace.apply(ftps_user("tess", "nowhere", "default"))

    def is_told_by_who_knows() -> bool:
        return "there is no FtpsServer default/nowhere" in condition(user(namespace, "tess"), "Ready")["message"]

    eventually(is_told_by_who_knows, seconds=15)
    namespace.patch("ftpsuser", "tess", {"metadata": {"annotations": {"example.com/turn": "one"}}})
    before = user(namespace, "tess")["metadata"]["resourceVersion"]
    namespace.apply(ftps_user("uma", "nowhere"))
    ready(namespace, "uma", "ServerNotFound")
    assert user(namespace, "tess")["metadata"]["resourceVersion"] == before


def test_a_server_of_another_class_is_left_as_it_stands(second: Cluster, namespace: Namespace):
    namespace.apply(ftps_server("given", operatorClass=CLASS))
    before = namespace.wait_ready("given")
    objects, pods = owned(namespace, "given"), [pod["metadata"]["uid"] for pod in namespace.pods("given")]
    namespace.patch("ftpsserver", "given", {"spec": {"operatorClass": "third", "podLabels": {"turn": "one"}}})
    # Both operators have seen that change once they have seen these.
    namespace.apply(ftps_server("after-plain"), ftps_server("after-classy", operatorClass=CLASS))
    namespace.wait_ready("after-plain")
    namespace.wait_ready("after-classy")
    assert namespace.server("given")["status"] == before["status"]
    assert owned(namespace, "given") == objects
    # Back in a class, it is what its resource says.
    namespace.patch("ftpsserver", "given", {"spec": {"operatorClass": None, "podLabels": None}})
    namespace.wait_ready("given")
    assert [pod["metadata"]["uid"] for pod in namespace.pods("given")] == pods
    assert condition(namespace.server("given"), "Ready")["status"] == "True"


def test_each_leads_by_a_lease_of_its_own(second: Cluster):
    def holder(name: str, namespace: str) -> str:
        lease: dict[str, Any] = json.loads(second.kubectl("get", "lease", name, "-n", namespace, "-o", "json"))
        holder: str = lease["spec"]["holderIdentity"]
        return holder

    assert holder(f"{SECOND}-{CLASS}", SECOND).startswith(SECOND)
    assert holder(RELEASE, RELEASE).startswith(RELEASE)
