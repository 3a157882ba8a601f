"""What changes reaches the running server: no restart, no waiting for the kubelet."""

import base64
import ftplib
import ssl
import time
from typing import Any

import pytest
from cryptography import x509

from support.ftps import Ftps
from support.polling import eventually
from support.servers import PASSWORD, Namespace, ftps_server, password_secret
from testbed import Cluster

NAME = "reload"
SECONDS = 2


@pytest.fixture(scope="module")
def server(operator: Cluster, namespace: Namespace) -> dict[str, Any]:
    namespace.apply(
        password_secret("alice"),
        ftps_server(NAME, users=("alice",), tls={"certManager": {"issuerRef": operator.issuer}}),
    )
    return namespace.wait_ready(NAME)


def identity_of_the_pod(namespace: Namespace) -> tuple[str, int]:
    """Changes when the server was restarted."""
    pod = namespace.pods(NAME)[0]
    return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]


def session(address: str, user: str = "alice", password: str = PASSWORD) -> Ftps:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    made = Ftps(context=context, timeout=20)
    made.trust_server_pasv_ipv4_address = True
    try:
        made.connect(address, 21)
        made.login(user, password)
        made.prot_p()
    except BaseException:
        made.close()
        raise
    return made


def served_certificate(address: str) -> int:
    """The serial number of the certificate that is served."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with ftplib.FTP_TLS(context=context, timeout=20) as made:
        made.connect(address, 21)
        made.auth()
        assert isinstance(made.sock, ssl.SSLSocket)
        der = made.sock.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


def address_of(namespace: Namespace) -> str:
    """Where clients reach the server."""
    found: str = namespace.wait_ready(NAME)["status"]["address"]
    return found


def test_a_new_address_is_announced_within_two_seconds(namespace: Namespace, server: dict[str, Any]):
    before, address = identity_of_the_pod(namespace), address_of(namespace)
    with session(address) as open_session:
        assert open_session.makepasv()[0] == address
        namespace.patch("ftpsserver", NAME, {"spec": {"service": {"type": "LoadBalancer"}}})

        def assigned() -> str | None:
            service = namespace.get("service", NAME)
            assert service is not None
            ingress = service["status"]["loadBalancer"].get("ingress")
            return ingress[0]["ip"] if ingress else None

        external = eventually(assigned, seconds=10)
        # Also to a session that was open before.
        eventually(lambda: open_session.makepasv()[0] == external, seconds=SECONDS, what="PASV announces it")
    assert namespace.wait_ready(NAME)["status"]["address"] == external
    assert identity_of_the_pod(namespace) == before


def test_a_new_user_can_log_in_within_two_seconds(namespace: Namespace, server: dict[str, Any]):
    before, address = identity_of_the_pod(namespace), address_of(namespace)
    namespace.apply(password_secret("bob", "bobs-own"))
    users = [{"name": name, "passwordSecretRef": {"name": name}} for name in ("alice", "bob")]
    namespace.patch("ftpsserver", NAME, {"spec": {"users": users}})
    started = time.monotonic()
    eventually(lambda: session(address, "bob", "bobs-own").quit(), seconds=20)
    # A failed login is answered after three seconds: at most one was too early.
    assert time.monotonic() - started < SECONDS + 3
    assert identity_of_the_pod(namespace) == before


def test_a_changed_password_counts_and_the_old_one_does_not(namespace: Namespace, server: dict[str, Any]):
    before, address = identity_of_the_pod(namespace), address_of(namespace)
    namespace.apply(password_secret("alice", "a-new-one"))
    eventually(lambda: session(address, "alice", "a-new-one").quit(), seconds=20)
    with pytest.raises(ftplib.error_perm, match="^530"):
        session(address, "alice", PASSWORD)
    assert identity_of_the_pod(namespace) == before


def test_new_limits_count_within_two_seconds_and_drop_no_session(namespace: Namespace, server: dict[str, Any]):
    before, address = identity_of_the_pod(namespace), address_of(namespace)

    def is_refused() -> bool:
        try:
            session(address, "bob", "bobs-own").close()
        except ftplib.error_temp as error:
            return str(error).startswith("421 Too many sessions")
        return False

    with session(address, "bob", "bobs-own") as open_session:
        namespace.patch("ftpsserver", NAME, {"spec": {"limits": {"maxSessions": 1}}})
        eventually(is_refused, seconds=SECONDS + 1, what="one session is enough")
        assert open_session.nlst() == []
    namespace.patch("ftpsserver", NAME, {"spec": {"limits": {"maxSessions": None}}})
    namespace.wait_ready(NAME)
    assert identity_of_the_pod(namespace) == before


def test_a_renewed_certificate_is_served_and_open_sessions_go_on(namespace: Namespace, server: dict[str, Any]):
    before, address = identity_of_the_pod(namespace), address_of(namespace)
    old = served_certificate(address)
    with session(address, "alice", "a-new-one") as open_session:
        # As `cmctl renew` does it.
        renew = {
            "status": {
                "conditions": [
                    {
                        "type": "Issuing",
                        "status": "True",
                        "reason": "ManuallyTriggered",
                        "message": "a test wants a new one",
                        "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    }
                ]
            }
        }
        namespace.patch("certificate", f"{NAME}-tls", renew, "--subresource=status")

        def issued() -> int | None:
            secret = namespace.get("secret", f"{NAME}-tls")
            assert secret is not None
            pem = base64.b64decode(secret["data"]["tls.crt"])
            serial = x509.load_pem_x509_certificate(pem).serial_number
            return serial if serial != old else None

        new = eventually(issued, seconds=20)
        eventually(lambda: served_certificate(address) == new, seconds=SECONDS, what="the new one is served")
        assert open_session.voidcmd("NOOP").startswith("200")
        assert open_session.nlst() == []
    assert identity_of_the_pod(namespace) == before
    fingerprint = namespace.wait_ready(NAME)["status"]["certificate"]["fingerprint"]
    assert len(fingerprint) == 64
