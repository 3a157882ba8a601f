"""kTLS where there is none: nothing is done otherwise, and nothing goes out in clear. Where it is: tests/ktls."""

import errno
import os
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ftps_server import ktls
from ftps_server.config import DataSessionReuse
from ftps_server.protocol.tlsstream import TlsStream
from ftps_server.tls import Identity
from unit.ftps_server.protocol.memorytls import MemoryClient, client_context, server_context

MIB = 1 << 20
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SUITES = [
    (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (ssl.TLSVersion.TLSv1_3, "TLS_AES_256_GCM_SHA384"),
]
CONTENT = os.urandom(3 * MIB + 1)
COUNT = "ftps_server_ktls_connections_total"
APPLICATION_DATA = 23


def connect(context, client_of, version, cipher=None):
    """A stream with its handshake done, the client, and what was sent in it last."""
    wanted = client_of(version)
    if version is ssl.TLSVersion.TLSv1_2 and cipher is not None:
        wanted.set_ciphers(cipher)
    stream, client, sent = TlsStream(context, keep_keys=True), MemoryClient(wanted), b""
    while not stream.established:
        stream.receive(client.handshake())
        stream.handshake()
        if not stream.established or version is ssl.TLSVersion.TLSv1_2:
            sent = stream.take()
            client.incoming.write(sent)
    client.handshake()
    return stream, client, sent


@pytest.fixture
def context(tmp_path, identity):
    return server_context(tmp_path, identity)


@pytest.fixture
def client_of(pki):
    return lambda version: client_context(pki.root(), version)


class Kernel:
    """Does with what it is given as Linux does (net/tls, RFC 5288, RFC 8446)."""

    def __init__(self, info):
        self.version = int.from_bytes(info[:2], "little")
        self.iv, self.salt, self.number = info[4:12], info[-12:-8], int.from_bytes(info[-8:])
        self.key = AESGCM(info[12:-12])

    def encrypt(self, data):
        number = self.number.to_bytes(8)
        if self.version == 0x0304:
            nonce = bytes(a ^ b for a, b in zip(self.salt + self.iv, bytes(4) + number, strict=True))
            data += bytes([APPLICATION_DATA])
            head = bytes([APPLICATION_DATA, 3, 3]) + (len(data) + 16).to_bytes(2)
            return head + self.key.encrypt(nonce, data, head)
        head = bytes([APPLICATION_DATA, 3, 3])
        sealed = self.key.encrypt(self.salt + self.iv, data, number + head + len(data).to_bytes(2))
        return head + (len(self.iv + sealed)).to_bytes(2) + self.iv + sealed


@pytest.mark.parametrize(("version", "cipher"), SUITES)
def test_what_the_kernel_is_given_is_what_the_client_decrypts_with(context, client_of, version, cipher):
    stream, client, _ = connect(context, client_of, version, cipher)
    assert stream.cipher == cipher
    written = stream.take()
    assert client.receive(written) == b""
    assert client.receive(Kernel(stream.keys.after(written)).encrypt(b"content")) == b"content"


def test_the_kernel_goes_on_behind_what_was_written_already(context, client_of):
    stream, client, _ = connect(context, client_of, ssl.TLSVersion.TLSv1_3)
    stream.write(b"first")
    stream.write(b"second")
    written = stream.take()
    assert client.receive(written) == b"firstsecond"
    assert client.receive(Kernel(stream.keys.after(written)).encrypt(b"third")) == b"third"


def test_before_tls_1_3_no_nonce_is_used_twice(context, client_of):
    stream, _, sent = connect(context, client_of, ssl.TLSVersion.TLSv1_2)
    stream.write(b"content")
    written = stream.take()
    used = [sent[-40:][:8], written[5:13]]  # of Finished, and behind a record's header
    assert Kernel(stream.keys.after(written)).iv not in used
    if ssl.OPENSSL_VERSION_INFO < (3, 2):
        assert int.from_bytes(Kernel(stream.keys.after(written)).iv) == (int.from_bytes(used[0]) + 2) % (1 << 64)


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA256"])
def test_other_ciphers_are_not_the_kernels(context, client_of, cipher):
    stream, client, _ = connect(context, client_of, ssl.TLSVersion.TLSv1_2, cipher)
    assert stream.keys.after(b"") is None
    stream.write(b"content")
    assert client.receive(stream.take()) == b"content"


def test_a_file_that_cannot_be_sent_at_once_is_read(monkeypatch, tmp_path):
    def refuse(*_):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "sendfile", refuse)
    (tmp_path / "file").write_bytes(b"0123456789")
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as far,
        listener.accept()[0] as near,
        (tmp_path / "file").open("rb", buffering=0) as file,
    ):
        sender = ktls.Sender(near, b"")
        assert [sender.send(file, 6), sender.send(file, 6)] == [6, 4]
        assert far.recv(100) == b"0123456789"


# The server


@pytest.fixture
def contexts(monkeypatch):
    """The TLS contexts that sessions were given."""
    given = []
    take = Identity.context

    def take_and_keep(self):
        given.append(take(self))
        return given[-1]

    monkeypatch.setattr(Identity, "context", take_and_keep)
    return given


@pytest.fixture
def _file(setup):
    (setup.storage / "alice").mkdir()
    (setup.storage / "alice/file").write_bytes(CONTENT)


@pytest.fixture
def _no_sendfile(monkeypatch):
    """To call it would end the download."""
    monkeypatch.setattr(os, "sendfile", None)


@pytest.fixture
def _promised(monkeypatch):
    """The server is told that the kernel can do it."""
    monkeypatch.setattr(ktls, "is_supported", lambda _: True)


def retrieve(client, rest=None):
    received = []
    assert client.retrbinary("RETR file", received.append, rest=rest).startswith("226 ")
    return b"".join(received)


@pytest.mark.skipif(Path("/proc/net/tls_stat").exists(), reason="this kernel has it")
def test_a_kernel_that_cannot_do_it_is_found_out_at_the_start(start, contexts):
    server = start()
    assert not server._services.kernel_tls
    assert contexts[0].options & ktls.ENABLE  # it was tried


@pytest.mark.usefixtures("_file", "_no_sendfile")
def test_without_it_nothing_is_done_otherwise(clients, start, monkeypatch, contexts):
    monkeypatch.setattr(ktls, "is_supported", lambda _: False)
    monkeypatch.setattr(ktls, "handshake", None)
    monkeypatch.setattr(ktls, "take_over", None)
    start()
    assert retrieve(clients.login()) == CONTENT
    assert not any(context.options & ktls.ENABLE for context in contexts)


@pytest.mark.usefixtures("_file", "_no_sendfile", "_promised")
@pytest.mark.parametrize("resumes", [True, False], ids=["resumed", "full"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_that_the_kernel_does_not_take_over_is_encrypted_here(clients, setup, start, version, resumes):
    setup.configure(tls={"dataSessionReuse": DataSessionReuse.PREFERRED.value})
    start()
    client = clients.login(version=version)
    client.resumes = resumes
    assert retrieve(client) == CONTENT
    assert retrieve(client, rest=MIB) == CONTENT[MIB:]
    assert clients.metric(COUNT) == 0


@pytest.mark.usefixtures("_file", "_no_sendfile", "_promised")
@pytest.mark.parametrize("answer", [bytes(4), b"", OSError(errno.EBUSY, "busy")], ids=["nothing", "empty", "error"])
def test_without_the_kernels_word_for_the_connection_no_file_is_left_to_it(clients, start, monkeypatch, answer):
    asked = []

    def set_option(self, level, *rest):
        if level != ktls._SOL_TLS and rest[0] != ktls._TCP_ULP:
            set_before(self, level, *rest)

    def get_option(self, level, *rest):
        if level != ktls._SOL_TLS:
            return get_before(self, level, *rest)
        asked.append(rest)
        if isinstance(answer, OSError):
            raise answer
        return answer

    set_before, get_before = socket.socket.setsockopt, socket.socket.getsockopt
    monkeypatch.setattr(socket.socket, "setsockopt", set_option)
    monkeypatch.setattr(socket.socket, "getsockopt", get_option)
    start()
    assert retrieve(clients.login()) == CONTENT
    assert asked
