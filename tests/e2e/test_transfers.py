"""Files go in and out through the load balancer's address, with clients that people use."""

import ftplib
import hashlib
import io
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers import HOST, PASSWORD, Namespace, ftps_server, password_secret
from support.target import MODES, Target
from testbed import Cluster

MEBIBYTES = 100


@pytest.fixture(scope="module")
def target(operator: Cluster, namespace: Namespace) -> Target:
    name = "transfers"
    certificate = {"issuerRef": operator.issuer, "dnsNames": [HOST]}
    namespace.apply(
        password_secret("alice"),
        ftps_server(
            name,
            users=("alice",),
            tls={"certManager": certificate},
            service={"type": "LoadBalancer"},
            storage={"persistentVolumeClaim": {"size": "1Gi"}},
        ),
    )
    status = namespace.wait_ready(name)["status"]
    # lftp checks the certificate against what it connects to: an address.
    certificate["ipAddresses"] = [status["address"]]
    namespace.patch("ftpsserver", name, {"spec": {"tls": {"certManager": certificate}}})
    return Target(operator, namespace, name)


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("files") / "large.bin"
    with path.open("wb") as file:
        for _ in range(MEBIBYTES):
            file.write(secrets.token_bytes(1 << 20))
    yield path
    path.unlink()


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("mode", MODES)
def test_curl_uploads_lists_and_downloads_100_mib(target: Target, large_file: Path, tmp_path: Path, mode: str):
    name = f"curl-{mode}.bin"
    uploaded = target.curl(mode, name, "--upload-file", str(large_file))
    assert (uploaded.returncode, uploaded.stderr) == (0, "")
    listed = target.curl(mode, "")
    assert listed.returncode == 0
    assert any(name in line and str(MEBIBYTES << 20) in line for line in listed.stdout.splitlines())
    downloaded = target.curl(mode, name, "--output", str(tmp_path / "back"))
    assert (downloaded.returncode, downloaded.stderr) == (0, "")
    assert sha256(tmp_path / "back") == sha256(large_file)


@pytest.mark.parametrize("mode", MODES)
def test_lftp_uploads_lists_and_downloads_100_mib(target: Target, large_file: Path, tmp_path: Path, mode: str):
    name = f"lftp-{mode}.bin"
    done = target.lftp(mode, f"put {large_file} -o {name}; cls -l; get {name} -o {tmp_path / 'back'}")
    assert done.returncode == 0, done.stderr
    assert any(name in line and str(MEBIBYTES << 20) in line for line in done.stdout.splitlines())
    assert sha256(tmp_path / "back") == sha256(large_file)


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_trusts_another_authority_refuses_the_certificate(target: Target, mode: str):
    scheme, port = MODES[mode]
    words = ["curl", "-sS", "--ssl-reqd", "--user", f"alice:{PASSWORD}", f"{scheme}://{target.address}:{port}/"]
    assert target.run(*words).returncode == 60


def test_ftplib_uploads_and_downloads(target: Target):
    content = secrets.token_bytes(100_000)
    with target.session() as session:
        session.login("alice", PASSWORD)
        session.prot_p()
        session.storbinary("STOR ftplib.bin", io.BytesIO(content))
        back = io.BytesIO()
        session.retrbinary("RETR ftplib.bin", back.write)
        assert back.getvalue() == content
        assert "ftplib.bin" in session.nlst()
        assert ("ftplib.bin", "100000") in [(name, facts["size"]) for name, facts in session.mlsd()]


def test_a_client_that_does_not_resume_its_tls_session_is_refused(target: Target):
    with target.session() as session:
        session.login("alice", PASSWORD)
        session.prot_p()
        session.resumes = False
        with pytest.raises((ftplib.Error, OSError, EOFError)):
            session.nlst()


def test_a_wrong_password_is_answered_530(target: Target):
    with target.session() as session, pytest.raises(ftplib.error_perm, match="^530"):
        session.login("alice", "wrong")


def test_curl_with_a_wrong_password_is_denied(target: Target):
    assert target.curl("implicit", "", user="alice:wrong").returncode == 67


def test_a_login_in_clear_is_refused(target: Target):
    with ftplib.FTP(timeout=20) as session:
        session.connect(target.address, 21)
        with pytest.raises(ftplib.error_perm, match="^530 .*TLS"):
            session.login("alice", PASSWORD)


def test_a_data_connection_in_clear_is_refused(target: Target):
    with target.session() as session:
        session.login("alice", PASSWORD)
        with pytest.raises(ftplib.error_perm, match="^521 .*PROT P"):
            session.nlst()
        with pytest.raises(ftplib.error_perm, match="^534"):
            session.prot_c()


def test_pasv_announces_the_load_balancers_address_and_a_port_of_the_shard(target: Target):
    with target.session() as session:
        session.login("alice", PASSWORD)
        session.prot_p()
        session.trust_server_pasv_ipv4_address = True
        host, port = session.makepasv()
        assert host == target.address
        assert port in range(50000, 50020)


def test_ftp_from_the_first_byte_is_no_implicit_ftps(target: Target):
    with ftplib.FTP(timeout=2) as session, pytest.raises((OSError, EOFError, ftplib.Error)):
        session.connect(target.address, 990)
