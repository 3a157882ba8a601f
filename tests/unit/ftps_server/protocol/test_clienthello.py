"""What real ClientHellos offer, however they arrive."""

import ssl

import pytest

from ftps_server.protocol.clienthello import MAX_BYTES, NoClientHelloError, parse
from unit.ftps_server.protocol.memorytls import VERSIONS, MemoryClient, client_context, server_context, session_of


@pytest.fixture
def client(pki):
    return lambda *arguments: client_context(pki.root(), *arguments)


@pytest.fixture
def server(tmp_path, identity):
    return lambda: server_context(tmp_path, identity)


def fragmented(hello, size):
    """The same message in smaller records."""
    message = hello[5:]
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(hello[:3] + len(part).to_bytes(2) + part for part in parts)


def record(content, kind=22):
    return bytes([kind]) + b"\x03\x01" + len(content).to_bytes(2) + content


def message(*fields, kind=1):
    body = b"".join(fields)
    return record(bytes([kind]) + len(body).to_bytes(3) + body)


def vector(length_bytes, content):
    return len(content).to_bytes(length_bytes) + content


# Version and random, session ID, cipher suites, compression methods.
START = bytes(34) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0")


def extension(kind, content):
    return kind.to_bytes(2) + vector(2, content)


@pytest.mark.parametrize("version", [*VERSIONS, None])
def test_a_first_connection_offers_no_ticket(client, version):
    hello = parse(MemoryClient(client(version)).handshake())
    assert (hello.ticket, hello.key_name, hello.protocols) == (None, None, ())


@pytest.mark.parametrize("version", [*VERSIONS, None])
def test_the_protocols_of_alpn_are_read_in_their_order(client, version):
    hello = parse(MemoryClient(client(version, ("ftp-data", "x" * 255))).handshake())
    assert hello.protocols == ("ftp-data", "x" * 255)


@pytest.mark.parametrize("version", [*VERSIONS, None])
def test_tickets_of_one_context_have_one_name_and_those_of_others_another(client, server, version):
    ours, theirs, context = server(), server(), client(version)
    hellos = [MemoryClient(context, session_of(context, each)).handshake() for each in (ours, ours, theirs)]
    first, second, other = (parse(hello).key_name for hello in hellos)
    assert len(first) == 16
    assert first == second != other


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_is_read_as_it_is_sent(client, server, version):
    context = client(version)
    sent = MemoryClient(context, session_of(context, server())).handshake()
    ticket = parse(sent).ticket
    assert len(ticket) > 100
    assert len(ticket).to_bytes(2) + ticket in sent


def test_a_ticket_of_tls_1_2_is_read_where_1_3_is_offered_too(client, server):
    ours, context = server(), client()
    ours.maximum_version = ssl.TLSVersion.TLSv1_2
    names = {parse(MemoryClient(context, session_of(context, ours)).handshake()).key_name for _ in range(2)}
    assert len(names) == 1
    assert None not in names


@pytest.mark.parametrize("size", [50, 100])
def test_a_hello_may_be_split_into_records(client, server, size):
    context = client(ssl.TLSVersion.TLSv1_3, ("ftp-data",))
    hello = MemoryClient(context, session_of(context, server())).handshake()
    assert parse(fragmented(hello, size)) == parse(hello)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1 << 14, 50])
def test_more_must_come_until_the_last_byte_is_there(client, server, version, size):
    context = client(version, ("ftp-data",))
    hello = fragmented(MemoryClient(context, session_of(context, server())).handshake(), size)
    assert all(parse(hello[:count]) is None for count in range(len(hello)))
    assert parse(hello) is not None


def test_a_hello_without_extensions_offers_nothing():
    hello = parse(message(START))
    assert (hello.key_name, hello.protocols) == (None, ())


@pytest.mark.parametrize("ticket", [b"", b"short", bytes(16)])
def test_a_ticket_that_is_none_of_openssl_has_no_name(ticket):
    hello = parse(message(START, vector(2, extension(35, ticket))))
    assert (hello.ticket, hello.key_name) == (ticket or None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"USER alice\r\n",
        b"\x16\x02",
        b"\x80\x2e\x01\x03\x01",  # SSL 2
        b"\x15\x03\x01\x00\x02\x01\x00",  # an alert
        record(b""),
        record(b"")[:3] + b"\x40\x01",
        message(START, kind=2),
        record(b"\x01\x01\x00\x01"),
        record(b"\x01\xff\xff\xff" + bytes(100)),
        record(b"\x01\x00\x00\x20" + bytes(10)) + record(bytes(22), kind=23),
        message(START[:-1]),
        message(START, vector(2, extension(16, b""))),
        message(START, vector(2, extension(16, vector(2, b"\x09ftp")))),
        message(START, vector(2, extension(41, b""))),
        message(START, vector(2, extension(41, vector(2, b"\x00\x20ticket")))),
        message(START, vector(2, extension(35, bytes(20))[:-1])),
        message(START, b"\xff\xff"),
    ],
)
def test_anything_else_is_no_hello(data):
    with pytest.raises(NoClientHelloError):
        parse(data)


def test_a_hello_that_never_ends_is_none():
    with pytest.raises(NoClientHelloError):
        parse(record(b"\x01" + (MAX_BYTES + 1).to_bytes(3)))


def test_a_hello_in_countless_records_is_none(client):
    hello = fragmented(MemoryClient(client()).handshake(), 1)
    with pytest.raises(NoClientHelloError):
        parse(hello)
