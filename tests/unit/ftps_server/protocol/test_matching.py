"""Whose a data connection is, by its ClientHello: real TLS, with nothing but memory in between."""

from dataclasses import dataclass

import pytest

from ftps_server.config import DataSessionReuse
from ftps_server.protocol import clienthello
from ftps_server.protocol.expectation import AMBIGUOUS, HANDSHAKE_FAILED, NOT_RESUMED, Expectation
from ftps_server.protocol.matching import FAR_TRIES, Verdict, match
from ftps_server.protocol.tlsstream import TlsStream, asks_to_retry
from unit.ftps_server.protocol.memorytls import VERSIONS, MemoryClient, client_context, server_context, session_of

HERE, THERE = "192.0.2.1", "192.0.2.2"
REQUIRED, PREFERRED, OFF = DataSessionReuse


@dataclass
class Session:
    """What is asked of a session here: its context."""

    context: object
    ticket_name: bytes | None = None
    tries: int = 0

    def data_stream(self):
        self.tries += 1
        return TlsStream(self.context)


@pytest.fixture
def wait(tmp_path, identity):
    """A session that waits."""

    def make(address=HERE, reuse=REQUIRED):
        return Expectation(
            Session(server_context(tmp_path, identity)),
            address=address,
            port=50000,
            reuse=reuse,
            seconds=30,
            failed=lambda _: None,
            ended=lambda _: None,
        )

    return make


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def client(request, pki):
    return client_context(pki.root(), request.param)


@pytest.fixture
def tls_1_3_client(pki):
    return client_context(pki.root(), VERSIONS[-1])


def hello_of(client, owner=None):
    """The first bytes of a connection, one that resumes the owner's session where there is one."""
    return MemoryClient(client, session_of(client, owner.session.context) if owner else None).handshake()


def verdict_on(received, waiting, address=HERE, *, hello=None, answered=b""):
    search = match(received, clienthello.parse(hello or received), address, waiting, answered=answered)
    while True:
        try:
            next(search)
        except StopIteration as done:
            return done.value


def tries(waiting):
    return [each.session.tries for each in waiting]


@pytest.mark.parametrize("number", [0, 2, 4])
def test_who_resumes_is_found_among_many(client, wait, number):
    waiting = [wait() for _ in range(5)]
    owner = waiting[number]
    verdict = verdict_on(hello_of(client, owner), waiting)
    assert verdict.owner is owner
    assert verdict.begun.stream.reused
    assert verdict.begun.output


def test_once_its_tickets_are_known_nobody_else_is_tried(client, wait):
    waiting = [wait() for _ in range(5)]
    received = hello_of(client, waiting[3])
    waiting[3].session.ticket_name = clienthello.parse(received).key_name
    assert verdict_on(received, waiting).owner is waiting[3]
    assert tries(waiting) == [0, 0, 0, 1, 0]


def test_a_known_ticket_alone_proves_nothing(client, wait):
    thief, victim = wait(), wait(THERE)
    received = hello_of(client, thief)
    victim.session.ticket_name = clienthello.parse(received).key_name
    assert verdict_on(received, [victim], THERE) == Verdict(blamed=[victim], answer=NOT_RESUMED)


def test_who_resumes_is_found_also_from_another_address(client, wait):
    waiting = [wait(), wait(THERE)]
    assert verdict_on(hello_of(client, waiting[1]), waiting).owner is waiting[1]
    assert tries(waiting) == [1, 1]


def test_a_stranger_does_not_have_all_tried(client, wait):
    waiting = [wait(THERE) for _ in range(FAR_TRIES + 3)]
    assert verdict_on(hello_of(client), waiting) == Verdict()
    assert tries(waiting) == [1] * FAR_TRIES + [0] * 3


def test_who_must_resume_and_does_not_is_told(client, wait):
    alone = wait()
    assert verdict_on(hello_of(client), [alone, wait(THERE)]) == Verdict(blamed=[alone], answer=NOT_RESUMED)


@pytest.mark.parametrize("reuse", [PREFERRED, OFF])
def test_who_need_not_resume_is_known_by_its_address(client, wait, reuse):
    waiting = [wait(THERE, reuse), wait(HERE, reuse)]
    verdict = verdict_on(hello_of(client), waiting)
    assert verdict.owner is waiting[1]
    assert not verdict.begun.stream.reused


@pytest.mark.parametrize("other", list(DataSessionReuse))
def test_two_of_one_address_are_not_told_apart_without_a_session(client, wait, other):
    waiting = [wait(reuse=OFF), wait(reuse=other)]
    verdict = verdict_on(hello_of(client), waiting)
    assert (verdict.owner, verdict.answer) == (None, AMBIGUOUS)
    # Who must resume is not to blame: it may be on its way.
    assert verdict.blamed == (waiting if other is not REQUIRED else waiting[:1])


def test_where_all_must_resume_a_stranger_harms_nobody(client, wait):
    assert verdict_on(hello_of(client), [wait(), wait()]) == Verdict(answer=AMBIGUOUS)


def test_nobody_is_found_where_nobody_waits(client):
    assert verdict_on(hello_of(client), []) == Verdict()


def test_what_no_context_takes_is_a_failed_handshake(client, wait):
    alone = wait(reuse=OFF)
    alone.session.context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # its certificate is none for RSA
    alone.session.context.maximum_version = VERSIONS[0]
    verdict = verdict_on(hello_of(client), [alone])
    assert verdict == Verdict(blamed=[alone], answer=HANDSHAKE_FAILED)


@pytest.mark.parametrize("resumes", [True, False])
def test_whose_it_is_shows_in_the_second_hello_where_one_was_asked_for(tls_1_3_client, wait, resumes):
    waiting = [wait(), wait()]
    for each in waiting:
        each.session.context.set_ecdh_curve("secp521r1")
    owner = waiting[1]
    session = session_of(tls_1_3_client, owner.session.context) if resumes else None
    peer = MemoryClient(tls_1_3_client, session)
    first = peer.handshake()
    retry = verdict_on(first, waiting).retry
    assert asks_to_retry(retry)
    peer.incoming.write(retry)
    search = match(first + peer.handshake(), clienthello.parse(first), HERE, waiting, answered=retry)
    verdict = None
    while verdict is None:
        try:
            next(search)
        except StopIteration as done:
            verdict = done.value
    if resumes:
        assert verdict.owner is owner
        # What was said once is not said again.
        peer.incoming.write(verdict.begun.output)
        verdict.begun.stream.receive(peer.handshake())
        assert verdict.begun.stream.handshake()
    else:
        assert verdict == Verdict(answer=AMBIGUOUS)
