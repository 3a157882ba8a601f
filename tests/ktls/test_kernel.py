"""kTLS where the kernel has it: downloads go through it, whole and never in clear. On other kernels: test_uml."""

import ftplib
import os
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from ftps_server import ktls
from ftps_server.protocol.tlsstream import TlsStream
from ktls.sniffer import Sniffer
from unit.ftps_server.harness import DEADLINE, PASSWORD, user
from unit.ftps_server.protocol.memorytls import MemoryClient, client_context, server_context

STATISTICS = Path("/proc/net/tls_stat")
MARKER = b"That nobody else shall read this is what the client was promised. "
BLOCK_BYTES = 4096
MIB = 1 << 20
CONTENT = b"".join(MARKER + os.urandom(BLOCK_BYTES - len(MARKER)) for _ in range(2048)) + b"the end"
"""Of a file of 8 MiB. A packet of it in clear would hold the marker."""
COUNT = "ftps_server_ktls_connections_total"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
KERNEL_SUITES = [
    ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("1.3", "TLS_AES_128_GCM_SHA256"),
    ("1.3", "TLS_AES_256_GCM_SHA384"),
]
OTHER_SUITES = [
    ("1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ("1.2", "ECDHE-ECDSA-AES128-SHA256"),
    ("1.3", "TLS_CHACHA20_POLY1305_SHA256"),
]

pytestmark = [
    pytest.mark.skipif(not STATISTICS.exists(), reason="this kernel has no kTLS (CONFIG_TLS), or it is not loaded"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what goes over the network"),
]


@pytest.fixture(autouse=True)
def _running(setup, start):
    setup.users(user(), user("bob", homeDirectory="/alice", bandwidth={"download": 4 * MIB}))
    (setup.storage / "alice").mkdir()
    (setup.storage / "alice/file").write_bytes(CONTENT)
    start()


@pytest.fixture
def sent(monkeypatch):
    """What sendfile sent."""
    counts = []
    sendfile = os.sendfile

    def counted(*args):
        counts.append(sendfile(*args))
        return counts[-1]

    monkeypatch.setattr(os, "sendfile", counted)
    return counts


@pytest.fixture
def curl(setup, pki, tmp_path):
    """Has curl download the file; the content."""

    def download(version, cipher):
        authority, received = tmp_path / "ca.pem", tmp_path / "received"
        authority.write_bytes(pki.root())
        command = ["curl", "--verbose", "--ssl-reqd", "--cacert", str(authority), "--user", f"alice:{PASSWORD}"]
        command += [f"--tlsv{version}", "--tls-max", version]
        command += ["--tls13-ciphers" if version == "1.3" else "--ciphers", cipher]
        command += ["--output", str(received), f"ftp://localhost:{setup.explicit}/file"]
        told = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stderr
        assert told.count(f" / {cipher}\n") == 2  # of both connections
        return received.read_bytes()

    return download


def connections_of_the_kernel():
    """How many it has encrypted since it was started."""
    return int(dict(line.split() for line in STATISTICS.read_text().splitlines())["TlsTxSw"])


def retrieve(client, rest=None):
    received = []
    assert client.retrbinary("RETR file", received.append, rest=rest).startswith("226 ")
    return b"".join(received)


def begun(client, *, receive_bytes):
    """The data connection of a download that has begun, with so much room for what was not read yet."""
    client.voidcmd("TYPE I")
    target = ftplib.parse229(client.sendcmd("EPSV"), client.sock.getpeername())
    raw = socket.socket()
    raw.settimeout(DEADLINE)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    raw.connect(target)
    assert client.sendcmd("RETR file").startswith("1")
    return client.context.wrap_socket(
        raw, server_hostname="localhost", session=client.sock.session, suppress_ragged_eofs=False
    )


def test_the_sniffer_sees_what_goes_out_in_clear(setup):
    with (
        Sniffer() as sniffer,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
        listener.accept()[0] as receiver,
        (setup.storage / "alice/file").open("rb") as file,
    ):
        os.sendfile(sender.fileno(), file.fileno(), 0, BLOCK_BYTES)
        assert receiver.recv(BLOCK_BYTES).startswith(MARKER)
    assert sniffer.has_seen(MARKER)


@pytest.mark.parametrize(("version", "cipher"), KERNEL_SUITES)
def test_curl_downloads_through_the_kernel_and_nothing_goes_out_in_clear(clients, curl, sent, version, cipher):
    before = connections_of_the_kernel()
    with Sniffer() as sniffer:
        assert curl(version, cipher) == CONTENT
    assert sum(sent) == len(CONTENT)
    assert connections_of_the_kernel() == before + 1
    assert clients.metric(COUNT) == 1
    assert not sniffer.has_seen(MARKER)
    assert sniffer.size > 2 * len(CONTENT)
    assert sniffer.lost == 0


@pytest.mark.parametrize(("version", "cipher"), OTHER_SUITES)
def test_with_other_ciphers_the_server_encrypts(clients, curl, sent, version, cipher):
    before = connections_of_the_kernel()
    assert curl(version, cipher) == CONTENT
    assert sent == []
    assert connections_of_the_kernel() == before
    assert clients.metric(COUNT) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_rest_of_a_file_goes_through_the_kernel(clients, sent, version):
    client = clients.login(version=version)
    assert retrieve(client, rest=MIB + 1) == CONTENT[MIB + 1 :]
    assert sum(sent) == len(CONTENT) - MIB - 1


def test_a_rate_holds(clients, sent):
    client = clients.login("bob")
    assert retrieve(client) == CONTENT
    assert max(sent) <= 4 * MIB / 20
    seconds = clients.metric('ftps_server_transfer_seconds_sum{direction="download"}')
    assert 1 < seconds < 3


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("receive_bytes", [4096, 1 << 16])
def test_a_client_that_reads_slowly_gets_all_of_it_and_the_word_that_it_is_all(clients, sent, version, receive_bytes):
    client = clients.login(version=version)
    for _ in range(3):
        sent.clear()
        with begun(client, receive_bytes=receive_bytes) as data:
            received = b""
            while part := data.recv(1 << 14):  # without close_notify that is an error
                received += part
            assert received == CONTENT
        assert client.voidresp().startswith("226 ")
        assert sum(sent) == len(CONTENT)


def test_the_kernel_is_not_believed_to_have_sent_what_it_has_taken(tmp_path, pki, identity):
    stream = TlsStream(server_context(tmp_path, identity), keep_keys=True)
    client = MemoryClient(client_context(pki.root()))
    client.connect(stream)
    written = stream.take()
    received, drained, sent = client.receive(written), [], None
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket() as far,
        (tmp_path / "file").open("w+b", buffering=0) as file,
    ):
        far.settimeout(DEADLINE)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        far.connect(listener.getsockname())
        near, _ = listener.accept()
        near.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)  # less than a record
        file.write(CONTENT)
        file.seek(0)
        with near:
            sender = ktls.take_over(near, stream.keys, written)
            while sent != 0 or not drained[-1]:
                with suppress(BlockingIOError):
                    sent = sender.send(file, 1 << 16) if sent != 0 else 0
                drained.append(sender.is_drained)
                received += client.receive(far.recv(1 << 12))
        assert not all(drained)
        while part := far.recv(1 << 14):
            received += client.receive(part)
    assert received == CONTENT


def test_a_client_that_goes_is_told_so(clients, sent):
    client = clients.login()
    with begun(client, receive_bytes=4096) as data:
        assert data.recv(1)
    with pytest.raises(ftplib.error_temp, match="426 "):
        client.getresp()
    assert 0 < sum(sent) < len(CONTENT)
    assert retrieve(client) == CONTENT
