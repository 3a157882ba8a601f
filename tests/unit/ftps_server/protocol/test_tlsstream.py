"""The server's side of TLS against real clients, with nothing but memory in between."""

import ssl

import pytest

from ftps_server.protocol.tlsstream import TlsStream, asks_to_retry
from unit.ftps_server.protocol.memorytls import VERSIONS, MemoryClient, client_context, server_context, session_of

RECORD = 1 << 14
BIG = bytes(range(256)) * 1000 + b"tail"


@pytest.fixture
def server(tmp_path, identity):
    return server_context(tmp_path, identity)


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def version(request):
    return request.param


@pytest.fixture
def client(pki, version):
    return client_context(pki.root(), version, ("ftp", "ftp-data"))


@pytest.fixture
def joined(server, client):
    """A stream and its client, the tickets not yet sent."""
    stream, peer = TlsStream(server), MemoryClient(client)
    peer.connect(stream)
    return stream, peer


def test_before_the_handshake_nothing_is_known(server):
    stream = TlsStream(server)
    assert (stream.established, stream.reused, stream.alpn) == (False, False, None)
    assert (stream.version, stream.cipher) == ("", "")
    assert not stream.handshake()
    assert stream.take() == b""


def test_after_the_handshake_all_is_known(server, client, version):
    server.set_alpn_protocols(["ftp-data"])
    stream, peer = TlsStream(server), MemoryClient(client)
    peer.connect(stream)
    assert stream.established
    assert stream.version == peer.tls.version() == version.name.replace("_", ".")
    assert stream.cipher == peer.tls.cipher()[0]
    assert stream.alpn == peer.tls.selected_alpn_protocol() == "ftp-data"
    assert (stream.reused, stream.peer_certificate(), stream.peer_certificate_der()) == (False, {}, None)


def test_a_handshake_may_come_byte_by_byte(server, client):
    stream, peer = TlsStream(server), MemoryClient(client)
    while not stream.established:
        for byte in peer.handshake():
            assert not stream.established
            stream.receive(bytes([byte]))
            stream.handshake()
        peer.incoming.write(stream.take())
    peer.handshake()
    stream.write(b"hello")
    assert peer.receive(stream.take()) == b"hello"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3])
def test_data_that_comes_with_the_end_of_the_handshake_is_not_lost(server, client, version):
    stream, peer = TlsStream(server), MemoryClient(client)
    stream.receive(peer.handshake())
    stream.handshake()
    peer.incoming.write(stream.take())
    last = peer.handshake()
    stream.receive(last + peer.send(b"USER alice\r\n"))
    assert stream.handshake()
    assert stream.has_input
    assert stream.read(100) == b"USER alice\r\n"
    assert not stream.has_input


def test_what_is_read_is_what_was_sent_however_it_is_cut(joined):
    stream, peer = joined
    sent, received = peer.send(BIG), b""
    for at in range(0, len(sent), 9973):
        stream.receive(memoryview(sent)[at : at + 9973])
        while (data := stream.read(5000)) is not None:
            received += data
    assert received == BIG


def test_reading_into_a_buffer_takes_all_records_there_are(joined):
    stream, peer = joined
    sent = peer.send(BIG)
    buffer = bytearray(len(BIG) + 100)
    assert stream.read_into(memoryview(buffer)) == (0, False)
    stream.receive(sent[:-1])
    count, ended = stream.read_into(memoryview(buffer))
    assert (count, ended) == (len(BIG) // RECORD * RECORD, False)
    stream.receive(sent[-1:])
    rest, ended = stream.read_into(memoryview(buffer)[count:])
    assert (buffer[: count + rest], ended) == (BIG, False)


def test_a_small_buffer_leaves_the_rest_for_the_next(joined):
    stream, peer = joined
    stream.receive(peer.send(b"0123456789") + peer.end())
    buffer = bytearray(7)
    assert stream.read_into(memoryview(buffer)) == (7, False)
    assert stream.read_into(memoryview(buffer)) == (3, True)
    assert buffer == b"7893456"
    assert stream.read_into(memoryview(buffer)) == (0, True)


def test_close_notify_is_told_from_no_data(joined):
    stream, peer = joined
    assert stream.read(10) is None
    stream.receive(peer.send(b"last") + peer.end())
    assert stream.read(10) == b"last"
    assert stream.read(10) == b""
    assert stream.read(10) == b""


def test_close_notify_is_heard_also_after_ones_own(joined):
    stream, peer = joined
    stream.close_notify()
    stream.receive(peer.send(b"data under way") + peer.end())
    buffer = bytearray(100)
    assert stream.read_into(memoryview(buffer)) == (14, True)
    assert stream.read(10) == b""


@pytest.mark.parametrize("data", [b"x", bytes(RECORD), BIG, memoryview(BIG)[1:]])
def test_all_that_is_written_arrives_and_the_end_is_told(joined, data):
    stream, peer = joined
    stream.write(data)
    stream.close_notify()
    assert peer.receive(stream.take()) == data
    assert peer.tls.read(1) == b""
    assert stream.take() == b""


def test_nothing_is_written_as_nothing(joined):
    stream, _ = joined
    stream.take()
    stream.write(b"")
    assert stream.take() == b""


def test_tickets_wait_until_they_are_taken(joined, version):
    stream, peer = joined
    tickets = stream.take()
    assert bool(tickets) == (version is ssl.TLSVersion.TLSv1_3)
    peer.receive(tickets)
    assert peer.tls.session.has_ticket


def test_a_resumed_session_shows_with_client_hello(server, client):
    session = session_of(client, server)
    stream, peer = TlsStream(server), MemoryClient(client, session)
    stream.receive(peer.handshake())
    assert not stream.handshake()
    assert stream.reused
    peer.incoming.write(stream.take())
    stream.receive(peer.handshake())
    assert stream.handshake()
    assert stream.reused


def test_another_contexts_session_is_not_resumed(server, client, tmp_path, identity):
    stream = TlsStream(server_context(tmp_path, identity))
    peer = MemoryClient(client, session_of(client, server))
    peer.connect(stream)
    assert stream.established
    assert not stream.reused


def test_a_certificate_is_known_also_of_a_resumed_session(server, client, pki, tmp_path, identity):
    (tmp_path / "ca.pem").write_bytes(pki.root())
    server.load_verify_locations(tmp_path / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    client.load_cert_chain(tmp_path / "identity.pem")
    session, shown = session_of(client, server), []
    for each in (None, session):
        stream, peer = TlsStream(server), MemoryClient(client, each)
        peer.connect(stream)
        assert stream.reused == (each is not None)
        assert stream.peer_certificate()["subject"] == ((("commonName", "localhost"),),)
        shown.append(stream.peer_certificate_der())
    assert shown == [ssl.PEM_cert_to_DER_cert(identity[0].decode())] * 2


def test_a_client_without_the_certificate_that_is_asked_for_fails_the_handshake(server, client, pki, tmp_path):
    (tmp_path / "ca.pem").write_bytes(pki.root())
    server.load_verify_locations(tmp_path / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    stream, peer = TlsStream(server), MemoryClient(client)
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        peer.connect(stream)
    with pytest.raises(ssl.SSLError):
        peer.receive(stream.take())


def test_garbage_fails_the_handshake(server):
    stream = TlsStream(server)
    stream.receive(b"USER alice\r\n" * 10)
    with pytest.raises(ssl.SSLError):
        stream.handshake()
    assert not stream.established


@pytest.mark.parametrize(
    "read", [lambda stream: stream.read(100), lambda stream: stream.read_into(memoryview(bytearray(100)))]
)
def test_a_record_that_was_changed_is_an_error(joined, read):
    stream, peer = joined
    sent = bytearray(peer.send(b"RNTO innocent"))
    sent[-1] ^= 1
    stream.receive(sent)
    with pytest.raises(ssl.SSLError):
        read(stream)


def test_closing_a_stream_in_any_state_is_no_error(server, joined):
    TlsStream(server).close_notify()
    failed = TlsStream(server)
    failed.receive(b"garbage, and more of it")
    with pytest.raises(ssl.SSLError):
        failed.handshake()
    failed.close_notify()
    stream, peer = joined
    stream.receive(peer.send(b"unread"))
    stream.close_notify()
    stream.close_notify()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3])
def test_a_request_for_another_hello_is_told_from_an_answer(server, client, version):
    stream, peer = TlsStream(server), MemoryClient(client)
    stream.receive(peer.handshake())
    stream.handshake()
    assert not asks_to_retry(stream.take())

    server.set_ecdh_curve("secp521r1")
    stream, peer = TlsStream(server), MemoryClient(client)
    stream.receive(peer.handshake())
    assert not stream.handshake()
    output = stream.take()
    assert asks_to_retry(output)
    peer.incoming.write(output)
    peer.connect(stream)
    assert stream.established


def test_tls_1_2_never_asks_for_another_hello(pki, server):
    stream = TlsStream(server)
    stream.receive(MemoryClient(client_context(pki.root(), ssl.TLSVersion.TLSv1_2)).handshake())
    stream.handshake()
    assert not asks_to_retry(stream.take())
    assert not asks_to_retry(b"")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3])
def test_a_session_may_be_resumed_after_another_hello(server, client, version):
    server.set_ecdh_curve("secp521r1")
    stream, peer = TlsStream(server), MemoryClient(client, session_of(client, server))
    stream.receive(peer.handshake())
    stream.handshake()
    output = stream.take()
    assert asks_to_retry(output)
    peer.incoming.write(output)
    peer.connect(stream)
    assert stream.reused
