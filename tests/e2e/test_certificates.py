"""The two ways without cert-manager."""

import datetime
from base64 import b64encode
from typing import Any

from ftps_operator.certificates import KeyPair, inspect, self_sign
from support.kstatus import IN_PROGRESS, kstatus
from support.polling import eventually
from support.servers import Namespace, condition, ftps_server


def pair() -> KeyPair:
    return self_sign(["ftps.example.com"], now=datetime.datetime.now(datetime.UTC))


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
