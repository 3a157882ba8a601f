"""Connections that have come: each finds its owner by what it says, or is closed."""

import socket
import time

import pytest

from ftps_server.channel import Channel
from ftps_server.config import DataSessionReuse
from ftps_server.eventloop import EventLoop
from ftps_server.metrics import Metrics
from ftps_server.protocol import arrivals as arrivals_module
from ftps_server.protocol import clienthello
from ftps_server.protocol.arrivals import Arrivals
from ftps_server.protocol.expectation import HANDSHAKE_FAILED, NOT_RESUMED, Expectation
from ftps_server.protocol.tlsstream import TlsStream
from unit.ftps_server.protocol.memorytls import VERSIONS, MemoryClient, client_context, server_context, session_of

SECONDS = 30
HERE, THERE = ("192.0.2.1", 40000), ("192.0.2.2", 40000)


class Session:
    """Takes what it is given."""

    ticket_name = None

    def __init__(self, context):
        self.context = context
        self.adopted = []
        self.told = []

    def data_stream(self):
        return TlsStream(self.context)

    def adopt(self, arrival, expectation, begun, hello):
        arrival.hand_over(Channel(arrival.loop, arrival.socket))
        self.adopted.append((arrival.socket, expectation, begun, hello))


@pytest.fixture
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def arrivals(loop, metrics):
    return Arrivals(loop, metrics=metrics, proxies=None, seconds=lambda: SECONDS)


@pytest.fixture
def waiting(tmp_path, identity):
    """A session of a client waits."""
    session = Session(server_context(tmp_path, identity))
    expectation = Expectation(
        session,
        address=HERE[0],
        port=50000,
        reuse=DataSessionReuse.REQUIRED,
        seconds=SECONDS,
        failed=session.told.append,
        ended=lambda _: None,
    )
    return [expectation]


@pytest.fixture
def session(waiting):
    return waiting[0].session


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def client(request, pki):
    return client_context(pki.root(), request.param)


@pytest.fixture
def connect(arrivals, waiting):
    """A client's end of a connection that has come."""
    opened = []

    def begin(peer=HERE):
        ours, theirs = socket.socketpair()
        opened.extend((ours, theirs))
        ours.setblocking(False)
        theirs.settimeout(0)
        arrivals.accept(ours, peer, lambda: [each for each in waiting if each.open])
        return theirs

    yield begin
    for each in opened:
        each.close()


def turn(loop, times=3):
    for _ in range(times):
        loop.loop(timeout=0, blocking=False)


def is_closed(sock):
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def answer_of(expectation):
    """What a session hears whose client does not come any more."""
    expectation.sweep(float("inf"))
    return expectation.session.told


def hello_of(client, session):
    return MemoryClient(client, session_of(client, session.context)).handshake()


def refused(metrics):
    return metrics.registry.get_sample_value("ftps_server_data_connections_total", {"tls": "refused"})


def test_a_hello_in_parts_finds_its_owner(loop, connect, client, waiting, metrics):
    session = waiting[0].session
    hello = hello_of(client, session)
    connection = connect()
    for at in range(0, len(hello), 50):
        assert session.adopted == []
        connection.send(hello[at : at + 50])
        turn(loop)
    ((sock, expectation, begun, read),) = session.adopted
    assert (expectation, read) == (waiting[0], clienthello.parse(hello))
    assert begun.stream.reused
    # The socket is the session's now, in the arrival's place, and nothing has gone over it.
    sock.send(b"to be gone on with")
    assert connection.recv(100) == b"to be gone on with"
    assert type(loop.socket_map[sock.fileno()]) is Channel
    assert refused(metrics) is None


def test_what_is_no_hello_is_closed_without_a_word(loop, connect, session, waiting, metrics):
    connection = connect()
    connection.send(b"GET / HTTP/1.1\r\n")
    turn(loop)
    assert is_closed(connection)
    assert session.adopted == []
    assert refused(metrics) == 1
    assert answer_of(waiting[0]) == [HANDSHAKE_FAILED]


def test_who_leaves_before_its_hello_is_complete_is_forgotten(loop, connect, client, session, waiting):
    connection = connect()
    connection.send(hello_of(client, session)[:100])
    turn(loop)
    connection.close()
    turn(loop)
    assert len(loop.socket_map) == 0
    assert answer_of(waiting[0]) == [HANDSHAKE_FAILED]


def test_a_stranger_is_closed_and_nobody_hears_of_it(loop, connect, client, waiting):
    connection = connect(THERE)
    connection.send(MemoryClient(client).handshake())
    turn(loop)
    assert is_closed(connection)
    assert answer_of(waiting[0])[0].startswith("425 Nobody")


def test_a_client_that_does_not_resume_is_closed_and_its_session_hears_why(loop, connect, client, session, waiting):
    connection = connect()
    connection.send(MemoryClient(client).handshake())
    turn(loop)
    assert is_closed(connection)
    assert session.adopted == []
    assert answer_of(waiting[0]) == [NOT_RESUMED]


def test_whose_owner_waits_no_more_is_closed(loop, connect, client, session, waiting):
    hello = hello_of(client, session)
    connection = connect()
    waiting[0].close()
    connection.send(hello)
    turn(loop)
    assert is_closed(connection)
    assert session.adopted == []


def test_who_says_nothing_is_closed_after_a_while(loop, arrivals, connect):
    began = time.monotonic()
    connection = connect()
    turn(loop)
    arrivals.sweep(began + SECONDS - 0.1)
    assert not is_closed(connection)
    arrivals.sweep(time.monotonic() + SECONDS)
    assert is_closed(connection)
    assert len(loop.socket_map) == 0


def test_too_many_that_say_nothing_give_way_the_oldest_first(loop, connect, client, session, monkeypatch):
    monkeypatch.setattr(arrivals_module, "MAX_ARRIVALS", 3)
    silent = [connect() for _ in range(5)]
    assert [is_closed(each) for each in silent] == [True, True, False, False, False]
    connect().send(hello_of(client, session))
    turn(loop)
    assert len(session.adopted) == 1


@pytest.mark.parametrize("client", VERSIONS[-1:], indirect=True, ids=["TLSv1_3"])
def test_a_second_hello_is_asked_for_once_and_awaited(arrivals, connect, client, session):
    loop = arrivals.loop
    session.context.set_ecdh_curve("secp521r1")
    peer = MemoryClient(client, session_of(client, session.context))
    connection = connect()
    connection.send(peer.handshake())
    turn(loop)
    peer.incoming.write(connection.recv(1000))
    second = peer.handshake()
    # With a change_cipher_spec in front of it, that means nothing (RFC 8446, appendix D.4).
    assert second.startswith(b"\x14\x03\x03\x00\x01\x01\x16\x03\x03")
    for part in (second[:3], second[3:100], second[100:]):
        assert session.adopted == []
        connection.send(part)
        turn(loop)
    ((sock, _, begun, _),) = session.adopted
    assert begun.stream.reused
    with pytest.raises(BlockingIOError):
        connection.recv(1)  # nothing but the request was said
    peer.incoming.write(begun.output)
    begun.stream.receive(peer.handshake())
    assert begun.stream.handshake()
    with pytest.raises(BlockingIOError):
        sock.recv(1)


def test_in_active_mode_only_the_one_that_asked_is_tried(loop, arrivals, client, session, waiting):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        arrivals.connected(ours, HERE, waiting[0])
        theirs.send(hello_of(client, session))
        turn(loop)
        assert len(session.adopted) == 1
