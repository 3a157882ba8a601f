"""A ticket more, of the same context."""

import ssl

import pytest

from ftps_server import newticket
from ftps_server.protocol.tlsstream import TlsStream
from unit.ftps_server.protocol.memorytls import MemoryClient, client_context, server_context


@pytest.fixture
def connected(tmp_path, pki, identity):
    """A connection's two ends, of a TLS version, and the server's context."""

    def connect(version):
        context = server_context(tmp_path, identity)
        stream, client = TlsStream(context), MemoryClient(client_context(pki.root(), version))
        client.connect(stream)
        client.receive(stream.take())
        return stream, client, context

    return connect


def test_a_ticket_comes_with_what_is_written_next_and_resumes(connected):
    stream, client, context = connected(ssl.TLSVersion.TLSv1_3)
    first = client.tls.session
    stream.issue_ticket()
    stream.write(b"226 Transfer complete.\r\n")
    assert client.receive(stream.take()) == b"226 Transfer complete.\r\n"
    assert client.tls.session.id != first.id
    again, resuming = TlsStream(context), MemoryClient(client.tls.context, client.tls.session)
    resuming.connect(again)
    assert again.reused


def test_before_tls_1_3_there_is_nothing_to_issue(connected):
    stream, client, _ = connected(ssl.TLSVersion.TLSv1_2)
    stream.issue_ticket()
    stream.write(b"226")
    assert client.receive(stream.take()) == b"226"


def test_where_openssl_cannot_be_asked_nothing_happens(connected, monkeypatch):
    stream, client, _ = connected(ssl.TLSVersion.TLSv1_3)
    monkeypatch.setattr(newticket, "_new_session_ticket", None)
    first = client.tls.session
    stream.issue_ticket()
    stream.write(b"226")
    assert client.receive(stream.take()) == b"226"
    assert client.tls.session.id == first.id
