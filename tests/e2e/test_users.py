"""What is said of a user holds: the example with its quota, permissions, hashes and client certificates."""

import base64
import datetime
import ftplib
import io
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.ftps import Ftps
from support.kstatus import IN_PROGRESS, kstatus
from support.polling import eventually
from support.servers import PASSWORD, Namespace, condition, ftps_server
from testbed import Cluster
from testbed.paths import CHECKOUT

EXAMPLE = CHECKOUT / "docs" / "examples" / "partners.yaml"
NAME = "partners"
MIB = 1 << 20
BCRYPT = "$2b$05$EoFFE8BRLu3xpGPQDIAX8uV2DCm1kwJu3y4Qk2d0Qy78T5ehf1wMm"
ELSEWHERE = {
    "name": "elsewhere",
    "passwordHashSecretRef": {"name": "elsewhere"},
    "allowedCIDRs": ["192.0.2.0/24"],
}


class Partners:
    """The example's server, and how its users connect."""

    def __init__(self, cluster: Cluster, namespace: Namespace, folder: Path) -> None:
        self.namespace = namespace
        self.address: str = namespace.wait_ready(NAME)["status"]["address"]
        self.authority = cluster.ca_file
        self.robot = folder / "robot.pem"
        self.robot.write_bytes(self.secret("robot", "tls.crt") + self.secret("robot", "tls.key"))

    def secret(self, name: str, key: str) -> bytes:
        """What a Secret holds, once it does."""

        def look() -> bytes:
            found = self.namespace.get("secret", name)
            assert found is not None, f"no Secret {name} yet"
            return base64.b64decode(found["data"][key])

        return eventually(look, seconds=30)

    def connect(self, certificate: Path | None = None) -> Ftps:
        """A session under TLS, before its login."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.check_hostname = False
        if certificate is not None:
            context.load_cert_chain(certificate)
        session = Ftps(context=context, timeout=20)
        try:
            session.connect(self.address, 21)
            session.auth()
        except BaseException:
            session.close()
            raise
        return session

    def login(self, name: str, password: str = PASSWORD) -> Ftps:
        session = self.connect()
        try:
            session.login(name, password)
            session.prot_p()
        except BaseException:
            session.close()
            raise
        return session


def changed(cluster: Cluster) -> list[dict[str, Any]]:
    """The example with this cluster's issuer, one more user, and two ports that sessions share."""
    documents: list[dict[str, Any]] = list(
        yaml.safe_load_all(EXAMPLE.read_text().replace("name: testbed-ca", f"name: {cluster.issuer['name']}"))
    )
    spec = documents[-1]["spec"]
    spec["users"].append(ELSEWHERE)
    spec["passive"] = {"sharedPorts": True, "portsPerReplica": 2, "maxReplicas": 1}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "elsewhere"}}
    return [*documents, secret | {"stringData": {"passwordHash": BCRYPT}}]


@pytest.fixture(scope="module")
def partners(operator: Cluster, namespace: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Partners:
    namespace.apply(*changed(operator))
    return Partners(operator, namespace, tmp_path_factory.mktemp("certificates"))


def store(session: Ftps, name: str, size: int = 5) -> str:
    """The answer to an upload."""
    try:
        session.voidcmd("TYPE I")
        connection = session.transfercmd(f"STOR {name}")
        assert isinstance(connection, ssl.SSLSocket)
        with suppress(OSError), connection:
            connection.sendall(bytes(size))
            connection.unwrap()
        return session.getresp()
    except ftplib.Error as error:
        return str(error)


def refusal(session: ftplib.FTP, command: str) -> str:
    """The answer to a command that is not obeyed."""
    with pytest.raises(ftplib.Error) as caught:
        session.voidcmd(command)
    return str(caught.value)


def test_permissions_hold_per_directory(partners: Partners):
    with partners.login("alice") as session:
        session.mkd("/incoming")
        assert store(session, "/incoming/offer").startswith("226 ")
        assert store(session, "/offer").startswith("550 ")
        assert refusal(session, "MKD /other").startswith("550 ")
        session.voidcmd("TYPE I")
        for command in ("RETR /incoming/offer", "LIST /incoming", "DELE /incoming/offer", "RNFR /incoming/offer"):
            assert refusal(session, command).startswith("550 "), command
        # It is not replaced, either.
        assert store(session, "/incoming/offer").startswith("550 ")
        assert session.nlst("/") == ["incoming"]


def test_a_quota_holds_and_what_was_too_much_leaves_nothing(partners: Partners):
    with partners.login("alice") as session:
        with suppress(ftplib.error_perm):
            session.mkd("/incoming")
        assert store(session, "/incoming/large", 11 * MIB).startswith("552 ")
        assert store(session, "/incoming/small", 9 * MIB).startswith("226 ")
        assert store(session, "/incoming/next", 2 * MIB).startswith("552 ")


def test_a_user_has_so_many_sessions_and_no_more(partners: Partners):
    with partners.login("alice") as first, partners.login("alice"):
        with pytest.raises(ftplib.error_perm, match="^530 Too many sessions"):
            partners.login("alice")
        first.quit()
        with partners.login("alice") as third:
            assert third.pwd() == "/"


def test_hashes_of_other_servers_log_in(partners: Partners):
    # SHA-512-crypt is the C library's, which the image must have.
    with partners.login("legacy") as session:
        assert session.pwd() == "/"
    with pytest.raises(ftplib.error_perm, match="^530 Authentication failed"):
        partners.login("legacy", "wrong")


def test_a_user_may_be_spared_the_resumption_of_sessions(partners: Partners):
    with partners.login("legacy") as session:
        session.resumes = False
        assert store(session, "file").startswith("226 ")
        assert session.nlst() == ["file"]
    with partners.login("alice") as session:
        session.resumes = False
        with pytest.raises((ftplib.Error, OSError, EOFError)):
            session.nlst()


def test_a_user_logs_in_from_its_networks_alone(partners: Partners):
    # The password, which is right, is checked by bcrypt; a wrong one is answered otherwise.
    with pytest.raises(ftplib.error_perm, match="^530 Not from your address"):
        partners.login("elsewhere")


def test_two_shared_ports_are_enough_for_many_sessions(partners: Partners):
    sessions = [partners.login("legacy") for _ in range(6)]
    try:
        ports = {session.makepasv()[1] for session in sessions}
        assert ports <= {50000, 50001}
        for number, session in enumerate(sessions):
            assert session.storbinary(f"STOR shared-{number}", io.BytesIO(bytes([number]) * 1000)).startswith("226 ")
        for number, session in enumerate(sessions):
            back: list[bytes] = []
            session.retrbinary(f"RETR shared-{number}", back.append)
            assert b"".join(back) == bytes([number]) * 1000
    finally:
        for session in sessions:
            session.close()


def test_a_client_certificate_logs_its_user_in_and_nobody_else(partners: Partners):
    with partners.connect(partners.robot) as session:
        assert session.sendcmd("USER robot").startswith("232 ")
        session.prot_p()
        session.storbinary("STOR file", io.BytesIO(b"by a robot"))
        back: list[bytes] = []
        session.retrbinary("RETR file", back.append)
        assert b"".join(back) == b"by a robot"
    with partners.connect() as session:
        assert session.sendcmd("USER robot").startswith("331 ")
        assert refusal(session, f"PASS {PASSWORD}").startswith("530 ")
    with partners.connect(partners.robot) as session:
        assert session.sendcmd("USER alice").startswith("331 ")


def revocation_list(partners: Partners) -> bytes:
    """The robot's certificate, taken back by who has signed it."""
    authority = x509.load_pem_x509_certificate(partners.secret("robots-ca", "tls.crt"))
    key = serialization.load_pem_private_key(partners.secret("robots-ca", "tls.key"), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    robot = x509.load_pem_x509_certificate(partners.robot.read_bytes())
    now = datetime.datetime.now(datetime.UTC)
    revoked = x509.RevokedCertificateBuilder(serial_number=robot.serial_number, revocation_date=now)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.subject,
        last_update=now - datetime.timedelta(hours=1),
        next_update=now + datetime.timedelta(days=1),
    )
    signed = builder.add_revoked_certificate(revoked.build()).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def test_a_revoked_certificate_is_refused_within_seconds(partners: Partners):
    pod = partners.namespace.pods(NAME)[0]["metadata"]["uid"]
    encoded = base64.b64encode(revocation_list(partners)).decode()
    partners.namespace.patch("secret", "robots-ca", {"data": {"ca.crl": encoded}})

    def is_refused() -> bool:
        try:
            # With TLS 1.3 the client hears of it by the first answer.
            with partners.connect(partners.robot) as session:
                session.sendcmd("USER robot")
        except (OSError, EOFError):
            return True
        return False

    eventually(is_refused, seconds=10)
    with partners.connect() as session:
        assert session.sendcmd("USER legacy").startswith("331 ")
    assert partners.namespace.pods(NAME)[0]["metadata"]["uid"] == pod
    assert partners.namespace.wait_ready(NAME)


def test_missing_authorities_are_told_and_mended_when_they_come(partners: Partners, namespace: Namespace):
    tls = {"selfSigned": {}, "clientAuth": {"mode": "Required", "caSecretName": "late"}}
    namespace.apply(ftps_server("early", tls=tls))

    def told(words: str) -> bool:
        found = namespace.server("early")
        assert kstatus(found) == IN_PROGRESS
        return words in condition(found, "ClientAuthReady")["message"]

    eventually(lambda: told("Secret late is missing"), seconds=15)
    assert namespace.get("deployment", "early-0") is None
    late = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}}
    namespace.apply(late | {"stringData": {"ca.crt": "none"}})
    eventually(lambda: told("ca.crt holds no certificates"), seconds=15)
    namespace.apply(late | {"stringData": {"ca.crt": partners.secret("robots-ca", "tls.crt").decode()}})
    assert condition(namespace.wait_ready("early"), "ClientAuthReady")["status"] == "True"
    namespace.delete("ftpsserver", "early")
