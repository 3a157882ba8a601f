"""A session that waits for its data connection."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ftps_server.channel import Channel
from ftps_server.config import DataSessionReuse
from ftps_server.protocol.clienthello import ClientHello
from ftps_server.protocol.tlsstream import TlsStream

GRACE_SECONDS = 1.0
"""Somebody else may have connected in the client's stead: the client itself has so long to come."""
MAX_CANDIDATES = 8
"""Who has recorded a ClientHello can send it often: the oldest goes."""
NOBODY_CAME = "425 Nobody connected in time."
HANDSHAKE_FAILED = "522 TLS handshake on the data connection failed."  # RFC 4217, section 10.2
NOT_RESUMED = "522 The data connection must resume the TLS session of the control connection."
AMBIGUOUS = "425 The data connection cannot be told from another one's; try again, or resume the TLS session."


@dataclass(slots=True)
class Begun:
    """A handshake that has seen ClientHello. `output` is what it wants to answer."""

    stream: TlsStream
    output: bytes


class Owner(Protocol):
    """What is known of a session here."""

    ticket_name: bytes | None
    """How the tickets of the session's TLS context begin, once one of them was resumed."""

    def data_stream(self) -> TlsStream:
        """A TLS stream in the session's context."""

    def adopt(self, arrival: Channel, expectation: "Expectation", begun: "Begun", hello: ClientHello) -> None:
        """Go on with a handshake on the socket of an arrival, which it hands over."""


class Candidate(Protocol):
    """A connection in its handshake that may be the one."""

    def close(self) -> None:
        """It is not wanted any more."""


class Expectation:
    """One data connection that is to come, from `address`. Times are monotonic seconds."""

    def __init__(
        self,
        session: Owner,
        *,
        address: str,
        port: int,
        reuse: DataSessionReuse,
        seconds: float,
        failed: Callable[[str], None],
        ended: Callable[["Expectation"], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`failed` is told the answer when it does not come, `ended` that it is over; `port` is 0 in active mode."""
        self.session = session
        self.address = address
        self.port = port
        self.reuse = reuse
        self.open = True
        self._monotonic = monotonic
        self._deadline = monotonic() + seconds
        self._answer = NOBODY_CAME
        self._failed = failed
        self._ended = ended
        self._candidates: list[Candidate] = []
        self._stream: TlsStream | None = None

    def prepare(self) -> None:
        """Make what the handshake needs while nobody waits for it."""
        self._stream = self.session.data_stream()

    def take_stream(self) -> TlsStream:
        """A TLS stream in the session's context, for one connection."""
        stream, self._stream = self._stream, None
        return self.session.data_stream() if stream is None else stream

    @property
    def closed(self) -> bool:
        """Whether it is over, in the words of the channels."""
        return not self.open

    def try_out(self, candidate: Candidate) -> None:
        """A connection has begun its handshake. Only the end of that tells: ClientHello may be a replay."""
        self._candidates.append(candidate)
        if len(self._candidates) > MAX_CANDIDATES:
            self._candidates.pop(0).close()

    def blame(self, answer: str) -> None:
        """A connection came that cannot be served. Should no better one come, this is the answer."""
        self._answer = answer
        # In active mode nobody else can come.
        grace = GRACE_SECONDS if self.port else 0.0
        self._deadline = min(self._deadline, self._monotonic() + grace)

    def fail(self, answer: str) -> None:
        """No connection will come."""
        if self.open:
            self.close()
            self._failed(answer)

    def fulfil(self, candidate: Candidate) -> bool:
        """The connection is there; False when it is not wanted any more."""
        wanted = self.open
        if candidate in self._candidates:
            self._candidates.remove(candidate)
        self.close()
        return wanted

    def close(self) -> None:
        """Nobody waits any more."""
        if self.open:
            self.open = False
            self._stream = None
            self._ended(self)
        candidates, self._candidates = self._candidates, []
        for candidate in candidates:
            candidate.close()

    def sweep(self, now: float) -> None:
        """Fail when the time is over."""
        if self.open and now >= self._deadline:
            self.fail(self._answer)
