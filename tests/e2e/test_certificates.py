"""The three ways to a certificate, and what becomes of it in time."""

import datetime
from base64 import b64encode
from typing import Any

import pytest

from ftps_operator.certificates import KeyPair, inspect, self_sign
from support.kstatus import IN_PROGRESS, kstatus
from support.polling import eventually
from support.servers import Namespace, condition, ftps_server
from testbed import Cluster


def pair(*, days_ago: int = 0) -> KeyPair:
    """A certificate for 90 days."""
    made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
    return self_sign(["ftps.example.com"], now=made)


def tls_secret(name: str, certificate: bytes, private_key: bytes) -> dict[str, Any]:
    data = {"tls.crt": b64encode(certificate).decode(), "tls.key": b64encode(private_key).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def served(namespace: Namespace, name: str) -> str:
    found: str = namespace.wait_ready(name)["status"]["certificate"]["fingerprint"]
    return found


def test_somebody_s_own_secret_is_served_and_followed(namespace: Namespace):
    first, second = pair(), pair()
    namespace.apply(
        tls_secret("mine", first.certificate, first.private_key), ftps_server("own", tls={"secretName": "mine"})
    )
    assert served(namespace, "own") == inspect(first.certificate, first.private_key).fingerprint
    namespace.apply(tls_secret("mine", second.certificate, second.private_key))
    wanted = inspect(second.certificate, second.private_key).fingerprint
    eventually(lambda: served(namespace, "own") == wanted, seconds=15)
    # It is somebody else's: neither labelled nor owned, and it stays.
    namespace.delete("ftpsserver", "own")
    kept = namespace.get("secret", "mine")
    assert kept is not None
    assert not {"labels", "ownerReferences"} & kept["metadata"].keys()


def test_a_missing_or_mismatched_secret_is_told_and_mended_when_it_comes(namespace: Namespace):
    first, second = pair(), pair()
    namespace.apply(ftps_server("late", tls={"secretName": "late"}))

    def told(words: str) -> bool:
        found = namespace.server("late")
        assert kstatus(found) == IN_PROGRESS
        return words in condition(found, "CertificateReady")["message"]

    eventually(lambda: told("Secret late is missing"), seconds=15)
    namespace.apply(tls_secret("late", first.certificate, second.private_key))
    eventually(lambda: told("tls.key is not the key of the certificate"), seconds=15)
    namespace.apply(tls_secret("late", first.certificate, first.private_key))
    assert served(namespace, "late") == inspect(first.certificate, first.private_key).fingerprint
    namespace.delete("ftpsserver", "late")


def test_a_self_signed_certificate_needs_nobody(namespace: Namespace):
    namespace.apply(ftps_server("alone"))
    status = namespace.wait_ready("alone")["status"]
    assert status["certificate"]["issuer"] == f"CN=alone.{namespace.name}.svc"
    namespace.delete("ftpsserver", "alone")


def test_what_was_made_for_one_way_goes_when_another_is_chosen(namespace: Namespace):
    mine = pair()
    namespace.apply(ftps_server("changing"), tls_secret("other", mine.certificate, mine.private_key))
    namespace.wait_ready("changing")
    assert namespace.get("secret", "changing-tls")
    namespace.patch("ftpsserver", "changing", {"spec": {"tls": {"selfSigned": None, "secretName": "other"}}})
    assert served(namespace, "changing") == inspect(mine.certificate, mine.private_key).fingerprint
    eventually(lambda: namespace.get("secret", "changing-tls") is None, seconds=10)
    namespace.delete("ftpsserver", "changing")


def events(namespace: Namespace, name: str) -> set[tuple[str, str]]:
    """Type and reason of what was told of a server."""
    found = [each for each in namespace.objects("events.events.k8s.io") if each["regarding"]["kind"] == "FtpsServer"]
    return {(each["type"], each["reason"]) for each in found if each["regarding"]["name"] == name}


def test_an_end_that_is_near_and_one_that_is_past_are_told(namespace: Namespace):
    ending, ended = pair(days_ago=80), pair(days_ago=100)
    namespace.apply(
        tls_secret("aging", ending.certificate, ending.private_key), ftps_server("aging", tls={"secretName": "aging"})
    )
    found = condition(namespace.wait_ready("aging"), "CertificateReady")
    assert (found["status"], found["reason"]) == ("True", "CertificateExpiring")
    eventually(lambda: ("Warning", "CertificateExpiring") in events(namespace, "aging"), seconds=10)
    namespace.apply(tls_secret("aging", ended.certificate, ended.private_key))

    def is_told() -> bool:
        found = namespace.server("aging")
        told = condition(found, "CertificateReady")
        return (told["status"], told["reason"], condition(found, "Ready")["reason"]) == (
            "False",
            "CertificateExpired",
            "CertificateExpired",
        )

    eventually(is_told, seconds=15)
    eventually(lambda: ("Warning", "CertificateExpired") in events(namespace, "aging"), seconds=10)
    new = pair()
    namespace.apply(tls_secret("aging", new.certificate, new.private_key))
    eventually(
        lambda: condition(namespace.server("aging"), "CertificateReady")["reason"] == "CertificateValid", seconds=15
    )
    namespace.delete("ftpsserver", "aging")


ISSUER = {"apiVersion": "cert-manager.io/v1", "kind": "Issuer"}


@pytest.mark.parametrize(
    ("issuer", "words"),
    [(None, '"absent" not found'), ({"ca": {"secretName": "no-such-authority"}}, "does not have a Ready status")],
    ids=["no-issuer", "an-issuer-without-authority"],
)
def test_what_cert_manager_says_of_a_certificate_that_is_not_issued_is_told(
    namespace: Namespace, issuer: dict[str, Any] | None, words: str
):
    if issuer is not None:
        namespace.apply(ISSUER | {"metadata": {"name": "absent"}, "spec": issuer})
    namespace.apply(ftps_server("unissued", tls={"certManager": {"issuerRef": {"name": "absent"}}}))

    def is_told() -> bool:
        found = namespace.server("unissued")
        assert kstatus(found) == IN_PROGRESS
        told = condition(found, "CertificateReady")
        assert told["status"] == "False"
        return words in told["message"]

    eventually(is_told, seconds=25)
    # Mended when the issuer comes.
    namespace.apply(ISSUER | {"metadata": {"name": "absent"}, "spec": {"ca": None, "selfSigned": {}}})
    namespace.wait_ready("unissued")
    namespace.delete("ftpsserver", "unissued")
    namespace.delete("issuer", "absent")


def pod_uids(namespace: Namespace, name: str) -> list[str]:
    return [pod["metadata"]["uid"] for pod in namespace.pods(name)]


def test_from_self_signed_to_cert_manager_and_back_nothing_is_cut(operator: Cluster, namespace: Namespace):
    namespace.apply(ftps_server("moving"))
    first = namespace.wait_ready("moving")["status"]["certificate"]
    pods = pod_uids(namespace, "moving")
    namespace.patch(
        "ftpsserver",
        "moving",
        {"spec": {"tls": {"selfSigned": None, "certManager": {"issuerRef": {"name": "nobody"}}}}},
    )

    def still_serves() -> bool:
        found = namespace.server("moving")
        told = condition(found, "CertificateReady")
        assert told["status"] == "False"
        return '"nobody" not found; until then one valid until' in told["message"]

    eventually(still_serves, seconds=25)
    assert namespace.server("moving")["status"]["certificate"] == first
    namespace.patch("ftpsserver", "moving", {"spec": {"tls": {"certManager": {"issuerRef": operator.issuer}}}})
    status = namespace.wait_ready("moving")["status"]
    assert status["certificate"]["fingerprint"] != first["fingerprint"]
    assert "testbed" in status["certificate"]["issuer"]
    secret = namespace.get("secret", "moving-tls")
    assert secret is not None
    eventually(lambda: namespace.get("secret", "moving-tls")["metadata"].get("ownerReferences"), seconds=10)  # type: ignore[index]
    namespace.patch("ftpsserver", "moving", {"spec": {"tls": {"certManager": None, "selfSigned": {}}}})
    namespace.wait_ready("moving")
    eventually(lambda: namespace.get("certificate", "moving-tls") is None, seconds=10)
    assert pod_uids(namespace, "moving") == pods
    namespace.delete("ftpsserver", "moving")


def test_client_certificates_wanted_of_an_authority_that_is_missing_cut_nothing(namespace: Namespace):
    namespace.apply(ftps_server("careful"))
    namespace.wait_ready("careful")
    deployment, pods = namespace.get("deployment", "careful-0"), pod_uids(namespace, "careful")
    assert deployment is not None
    wanted = {"mode": "Required", "caSecretName": "authorities"}
    namespace.patch("ftpsserver", "careful", {"spec": {"tls": {"clientAuth": wanted}}})

    def is_told() -> bool:
        told = condition(namespace.server("careful"), "ClientAuthReady")
        return told["status"] == "False" and "Secret authorities is missing" in told["message"]

    eventually(is_told, seconds=15)
    assert condition(namespace.server("careful"), "Ready")["reason"] == "ClientAuthNotReady"
    held = namespace.get("deployment", "careful-0")
    assert held is not None
    assert held["spec"] == deployment["spec"]
    assert pod_uids(namespace, "careful") == pods
    # A pod that has to start anew finds what it needs.
    namespace.kubectl("delete", "pod", namespace.pods("careful")[0]["metadata"]["name"])
    eventually(lambda: namespace.server("careful")["status"].get("readyReplicas") == 1, seconds=40)
    authority = pair()
    data = {"ca.crt": b64encode(authority.certificate).decode()}
    namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "authorities"}, "data": data})
    namespace.wait_ready("careful")
    volumes = namespace.get("deployment", "careful-0")["spec"]["template"]["spec"]["volumes"]  # type: ignore[index]
    assert "client-ca" in {volume["name"] for volume in volumes}
    namespace.delete("ftpsserver", "careful")
