"""Connections that have come, until it is known whose data connection they are."""

import socket
import time
from collections.abc import Callable, Generator, Sequence

from ftps_server.channel import READ, Channel
from ftps_server.config import ProxyProtocolConfig
from ftps_server.eventloop import EventLoop
from ftps_server.logs import warn
from ftps_server.metrics import Metrics
from ftps_server.protocol.clienthello import ClientHello, NoClientHelloError, parse
from ftps_server.protocol.expectation import HANDSHAKE_FAILED, Expectation
from ftps_server.protocol.matching import Verdict, match
from ftps_server.proxyheader import HeaderReader, ProxyRefusedError

MAX_ARRIVALS = 512
"""Beyond that the oldest is dropped."""
TRIES_A_TURN = 4
RECEIVE_BYTES = 1 << 16
_CHANGE_CIPHER_SPEC = bytes.fromhex("140303000101")
"""Without a meaning in TLS 1.3, but it may stand before the second ClientHello (RFC 8446, appendix D.4)."""

Waiting = Callable[[], Sequence[Expectation]]


class Arrivals:
    """All of a process."""

    def __init__(
        self, loop: EventLoop, *, metrics: Metrics, proxies: ProxyProtocolConfig | None, seconds: Callable[[], float]
    ) -> None:
        """`seconds` is how long a connection may take to say whose it is."""
        self.loop = loop
        self.proxies = proxies
        self.metrics = metrics
        self._seconds = seconds
        self._unclaimed: dict[Arrival, None] = {}

    def accept(self, sock: socket.socket, peer: tuple[str, int], waiting: Waiting) -> None:
        """A client has connected where some are waiting."""
        self._add(Arrival(self, sock, HeaderReader(sock, peer, self.proxies), waiting, self._seconds()))

    def connected(self, sock: socket.socket, peer: tuple[str, int], expectation: Expectation) -> None:
        """The server has connected to a client."""
        header = HeaderReader(sock, peer, None)
        self._add(Arrival(self, sock, header, lambda: [expectation] if expectation.open else [], self._seconds()))

    def _add(self, arrival: "Arrival") -> None:
        self._unclaimed[arrival] = None
        if len(self._unclaimed) > MAX_ARRIVALS:
            next(iter(self._unclaimed)).refuse("too many connections")

    def remove(self, arrival: "Arrival") -> None:
        """It is known whose it is, or it is gone."""
        self._unclaimed.pop(arrival, None)

    def sweep(self, now: float) -> None:
        """Drop those that do not say whose they are."""
        for arrival in [each for each in self._unclaimed if now >= each.deadline]:
            arrival.refuse("no handshake in time")


class Arrival(Channel):
    """One connection."""

    def __init__(
        self, arrivals: Arrivals, sock: socket.socket, header: HeaderReader, waiting: Waiting, seconds: float
    ) -> None:
        super().__init__(arrivals.loop, sock)
        self.deadline = time.monotonic() + seconds
        self._arrivals = arrivals
        self._header = header
        self._waiting = waiting
        self._address = ""  # known behind the header
        self._received = b""
        self._asked = b""  # the ClientHello that was answered by a request for another one
        self._answered = b""
        self._search: Generator[None, None, Verdict] | None = None
        self.watch(READ)

    def handle_read_event(self) -> None:
        if self._search is not None:
            return
        try:
            endpoint = self._header.read()
            if endpoint is None:
                return
            self._address = endpoint[0]
            data = self.socket.recv(RECEIVE_BYTES)
            self._received += data
            hello = parse(self._message())
        except BlockingIOError:
            return
        except (OSError, ProxyRefusedError, NoClientHelloError) as error:
            self.refuse(str(error) or "not TLS")
            return
        if not data:
            self.refuse("not TLS")
        elif hello is not None:
            self._search = match(
                self._asked + self._received, hello, self._address, self._waiting(), answered=self._answered
            )
            self._go_on(hello)

    def _message(self) -> bytes:
        if not self._asked:
            return self._received
        if _CHANGE_CIPHER_SPEC.startswith(self._received):
            return b""
        return self._received.removeprefix(_CHANGE_CIPHER_SPEC)

    def _go_on(self, hello: ClientHello) -> None:
        """Try a few, then let others have their turn."""
        assert self._search is not None  # noqa: S101 - for mypy
        if self.closed:
            return
        try:
            for _ in range(TRIES_A_TURN):
                next(self._search)
        except StopIteration as done:
            self._conclude(done.value, hello)
        else:
            self.forget()
            self.loop.call_later(0, self._go_on, hello)

    def _conclude(self, verdict: Verdict, hello: ClientHello) -> None:
        owner, begun = verdict.owner, verdict.begun
        if owner is not None and begun is not None and owner.open:
            self._arrivals.remove(self)
            owner.session.adopt(self, owner, begun, hello)
        elif verdict.retry and not self._asked:
            self._ask_again(verdict.retry)
        else:
            for each in verdict.blamed:
                each.blame(verdict.answer)
            self._close_refused("not resumed" if verdict.blamed else "unknown")

    def _ask_again(self, retry: bytes) -> None:
        self._asked, self._received, self._answered = self._received, b"", retry
        self._search = None
        try:
            sent = self.socket.send(retry)
        except OSError:
            sent = 0
        if sent == len(retry):
            self.watch(READ)
        else:
            self.refuse("gone within its handshake")

    def refuse(self, reason: str) -> None:
        """Close what is no handshake. Where only one client of its address waits, that one hears of it."""
        near = [each for each in self._waiting() if each.address == self._address]
        if len(near) == 1:
            near[0].blame(HANDSHAKE_FAILED)
        self._close_refused(reason)

    def _close_refused(self, reason: str) -> None:
        self._arrivals.metrics.data_connection("refused")
        warn("data connection refused", reason=reason, address=self._address)
        self.close()

    def close(self) -> None:
        self._arrivals.remove(self)
        super().close()
