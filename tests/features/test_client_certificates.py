"""Client certificates: who must show one, whom it names, and that both connections show the same."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from features.certificates import ClientCertificate, issue_client, revocations
from features.harness import download, refusal, refused_data, reloaded, upload
from unit.ftps_server.harness import DEADLINE, PASSWORD, Clients, Ftps, Pki, Setup, user, wait_for

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
ROBOT = user("robot", passwordHash=None, clientCertificate="robot")
CAROL = user("carol", clientCertificate="carol")


@dataclass
class Bed:
    """A server that asks for certificates, and who makes them."""

    setup: Setup
    clients: Clients
    start: Callable[[], object]
    folder: Path
    authority: Pki

    def serve(self, mode: str, *users: dict, user_from: str = "CommonName", reuse: str = "Required") -> None:
        self.setup.users(user(), *users)
        self.setup.configure(tls={"clientAuth": {"mode": mode, "userFrom": user_from}, "dataSessionReuse": reuse})
        self.start()

    def issue(self, name: str = "robot", **names: str) -> ClientCertificate:
        return issue_client(self.authority, self.folder / f"{name}.pem", common_name=name, **names)

    def context(self, certificate: ClientCertificate | None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = self.clients.context(version)
        if certificate is not None:
            context.load_cert_chain(certificate.file)
        return context

    def connect(self, certificate: ClientCertificate | None = None, version: ssl.TLSVersion = VERSIONS[0]) -> Ftps:
        """An explicit session after its handshake."""
        client = Ftps(context=self.context(certificate, version), timeout=DEADLINE)
        self.clients.made.append(client)
        client.connect("127.0.0.1", self.setup.explicit)
        client.auth()
        return client

    def log_in(self, certificate: ClientCertificate, name: str = "robot", **version: ssl.TLSVersion) -> Ftps:
        client = self.connect(certificate, **version)
        assert client.sendcmd(f"USER {name}") == "232 Logged in by client certificate."
        client.sendcmd("PBSZ 0")
        client.prot_p()
        return client

    def refuses(self, certificate: ClientCertificate | None, version: ssl.TLSVersion = VERSIONS[0]) -> bool:
        """Whether TLS gives up; a client of 1.3 hears of it with the first answer."""
        try:
            self.connect(certificate, version).voidcmd("NOOP")
        except (OSError, EOFError):
            return True
        return False


@pytest.fixture
def bed(setup, clients, start, tmp_path) -> Bed:
    authority = Pki()
    setup.write_bytes("client-ca/ca.crt", authority.root())
    return Bed(setup, clients, start, tmp_path, authority)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("user_from", "names", "expected"),
    [
        ("CommonName", {"name": "robot"}, "robot"),
        ("EmailSAN", {"email": "robot@example.org"}, "robot@example.org"),
        ("UriSAN", {"uri": "spiffe://example.org/robot"}, "spiffe://example.org/robot"),
    ],
)
def test_a_certificate_logs_its_user_in_without_a_password(bed, user_from, names, expected, version):
    bed.serve("Required", user("robot", passwordHash=None, clientCertificate=expected), user_from=user_from)
    client = bed.log_in(bed.issue(**names), version=version)
    upload(client, "file", b"by certificate")
    assert download(client, "file") == b"by certificate"


def test_a_certificate_that_names_somebody_else_proves_nothing(bed):
    bed.serve("Optional", ROBOT, CAROL)
    for certificate in (bed.issue("mallory"), bed.issue("carol", email="robot"), None):
        client = bed.connect(certificate)
        assert client.sendcmd("USER robot").startswith("331 ")
        # There is no password that would do.
        assert refusal(lambda client=client: client.sendcmd(f"PASS {PASSWORD}")).startswith("530 ")
        assert client.sendcmd("USER nobody").startswith("331 ")


def test_who_has_a_certificate_may_still_log_in_as_somebody_else_by_password(bed):
    bed.serve("Optional", CAROL)
    client = bed.connect(bed.issue("carol"))
    client.login("alice", PASSWORD, secure=False)
    client.sendcmd("PBSZ 0")
    client.prot_p()
    assert client.nlst() == []


def test_optional_leaves_the_password_to_who_has_no_certificate(bed):
    bed.serve("Optional", ROBOT)
    assert bed.clients.login().nlst() == []


def test_none_asks_nobody_for_a_certificate(bed):
    bed.serve("None", CAROL)
    client = bed.connect(bed.issue("carol"))
    assert client.sendcmd("USER carol").startswith("331 ")
    assert client.sendcmd(f"PASS {PASSWORD}").startswith("230 ")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", ["Optional", "Required"])
def test_a_certificate_of_another_authority_is_refused(bed, tmp_path, mode, version):
    # Its name is the authority's, its key is not.
    stranger = issue_client(Pki(), tmp_path / "stranger.pem", common_name="robot")
    bed.serve(mode, ROBOT)
    assert bed.refuses(stranger, version)
    assert bed.refuses(None, version) is (mode == "Required")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_revoked_certificate_is_refused(bed, version):
    revoked, good = bed.issue("robot"), bed.issue("carol")
    bed.setup.write_bytes("client-ca/ca.crl", revocations(bed.authority, revoked))
    bed.serve("Optional", CAROL)
    assert bed.refuses(revoked, version)
    bed.log_in(good, "carol", version=version)


def test_a_revocation_counts_for_new_sessions_and_drops_none(bed):
    certificate = bed.issue()
    bed.serve("Required", ROBOT)
    running = bed.log_in(certificate)
    seen = reloaded(bed.clients, "certificate")
    bed.setup.write_bytes("client-ca/ca.crl", revocations(bed.authority, certificate))
    wait_for(seen, "the reload")
    assert bed.refuses(certificate)
    upload(running, "file", b"still there")
    assert download(running, "file") == b"still there"


def test_another_authority_takes_over_and_drops_no_session(bed, tmp_path):
    certificate = bed.issue()
    bed.serve("Required", ROBOT)
    running = bed.log_in(certificate)
    successor = Pki()
    new = issue_client(successor, tmp_path / "new.pem", common_name="robot")
    seen = reloaded(bed.clients, "certificate")
    bed.setup.write_bytes("client-ca/ca.crt", successor.root())
    wait_for(seen, "the reload")
    assert bed.refuses(certificate)
    assert bed.log_in(new).nlst() == running.nlst() == []


def test_a_bad_revocation_list_leaves_what_was_known_before(bed):
    revoked, good = bed.issue("robot"), bed.issue("carol")
    bed.setup.write_bytes("client-ca/ca.crl", revocations(bed.authority, revoked))
    bed.serve("Required", CAROL)
    seen = reloaded(bed.clients, "certificate", "failed")
    bed.setup.write_bytes("client-ca/ca.crl", b"nonsense")
    wait_for(seen, "the failed reload")
    assert bed.refuses(revoked)
    bed.log_in(good, "carol")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shown", [None, "carol"])
def test_a_data_connection_must_show_the_same_certificate(bed, shown, version):
    bed.serve("Optional", ROBOT, CAROL, reuse="Off")
    client = bed.log_in(bed.issue("robot"), version=version)
    client.resumes = False
    assert client.nlst() == []
    own, client.context = client.context, bed.context(bed.issue(shown) if shown else None, version)
    assert refused_data(client) == "522 The data connection must show the control connection's client certificate."
    client.context = own
    assert client.nlst() == []


def test_a_certificate_on_the_data_connection_alone_is_refused(bed):
    bed.serve("Optional", ROBOT, reuse="Off")
    client = bed.clients.login()
    client.resumes = False
    client.context = bed.context(bed.issue("robot"))
    assert refused_data(client).startswith("522 ")
