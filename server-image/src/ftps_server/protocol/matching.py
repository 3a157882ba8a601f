"""Whose an accepted data connection is: its ClientHello is tried in the TLS contexts of those who wait for one.

Nothing is sent before the owner is known: a handshake that went on to its end would hand out a ticket of the owner's
context, and with that whoever was refused could come again. But for one answer that is the same for all, and gives
nothing away: that another key is wanted (HelloRetryRequest). The second ClientHello is tried then, behind the first.
"""

import ssl
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from ftps_server.config import DataSessionReuse
from ftps_server.protocol.clienthello import ClientHello
from ftps_server.protocol.expectation import AMBIGUOUS, HANDSHAKE_FAILED, NOT_RESUMED, Begun, Expectation
from ftps_server.protocol.tlsstream import asks_to_retry

FAR_TRIES = 16
"""A client behind several addresses is found by its session, too; a stranger shall not make us try all."""


@dataclass(slots=True)
class Verdict:
    """The owner and its handshake, or what asks for another ClientHello, or who is to hear of a refused connection."""

    owner: Expectation | None = None
    begun: Begun | None = None
    retry: bytes = b""
    blamed: list[Expectation] = field(default_factory=list)
    answer: str = HANDSHAKE_FAILED


def begin(expectation: Expectation, received: bytes, answered: bytes = b"") -> Begun | None:
    """Try a ClientHello in a session's context, or two, the first of which was answered; None where that refuses it."""
    stream = expectation.take_stream()
    stream.receive(received)
    try:
        stream.handshake()
    except ssl.SSLError:
        return None
    return Begun(stream, stream.take().removeprefix(answered))


def is_acceptable(expectation: Expectation, begun: Begun) -> bool:
    """Whether the handshake may go on: it resumes, or need not."""
    return begun.stream.reused or expectation.reuse is not DataSessionReuse.REQUIRED


def match(
    received: bytes, hello: ClientHello, address: str, waiting: Sequence[Expectation], *, answered: bytes = b""
) -> Generator[None, None, Verdict]:
    """Find the owner of a connection from an address. Yields after each try: a try takes up to a millisecond."""
    near = [each for each in waiting if each.address == address]
    far = [each for each in waiting if each.address != address]
    known = [each for each in waiting if hello.key_name and each.session.ticket_name == hello.key_name]
    tried: dict[Expectation, Begun | None] = {}
    for each in (*known, *near, *far[:FAR_TRIES]):
        if each in tried:
            continue
        begun = tried[each] = begin(each, received, answered)
        if begun is not None and begun.stream.reused:
            return Verdict(each, begun)
        if begun is not None and asks_to_retry(begun.output):
            return Verdict(retry=begun.output)
        yield
    return _unresumed(near, tried)


def _unresumed(near: list[Expectation], tried: dict[Expectation, Begun | None]) -> Verdict:
    """Without a session, only the address tells; that is not enough where two share it.

    Not even where only one of them may come without: the other's client may not know that it must not.
    """
    usable = [(each, begun) for each in near if (begun := tried[each]) and is_acceptable(each, begun)]
    if len(near) > 1:
        return Verdict(blamed=[each for each, _ in usable], answer=AMBIGUOUS)
    if usable:
        return Verdict(*usable[0])
    return Verdict(blamed=near, answer=NOT_RESUMED if near and tried[near[0]] else HANDSHAKE_FAILED)
