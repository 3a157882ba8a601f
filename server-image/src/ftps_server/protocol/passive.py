"""Passive mode: PASV (RFC 959) and EPSV (RFC 2428).

The ports are opened once, at start, and stay so: a port may have many sessions waiting, and whose a connection is shows
in its TLS handshake. pyftpdlib listens for each transfer anew, and takes a random port when its range is exhausted,
which behind a Service nobody can reach.
"""

import socket
from collections.abc import Iterable, Sequence

from ftps_server.channel import READ, Channel
from ftps_server.eventloop import EventLoop
from ftps_server.logs import warn
from ftps_server.metrics import Metrics
from ftps_server.protocol.arrivals import Arrivals
from ftps_server.protocol.expectation import Expectation
from ftps_server.protocol.ports import PortsExhaustedError, PortTable
from ftps_server.protocol.sockets import listen

PAUSE_SECONDS = 1.0
"""How long nobody is accepted after the kernel could not."""


class PassiveUnavailableError(Exception):
    """No data connection can be offered; the text is for the client."""


class PassivePorts:
    """The passive ports of this process, and who waits there."""

    def __init__(self, ports: Iterable[int], *, shared: bool, loop: EventLoop, metrics: Metrics) -> None:
        self._table = PortTable(ports, shared=shared)
        self._loop = loop
        self._metrics = metrics
        self._acceptors: list[Acceptor] = []
        metrics.passive_ports.set(self.total)
        metrics.passive_ports_in_use.set_function(lambda: self._table.in_use)

    @property
    def total(self) -> int:
        """How many ports there are."""
        return self._table.total

    def listen(self, addresses: Sequence[str], arrivals: Arrivals) -> None:
        """Open every port. Raises OSError where one is taken."""
        for port in self._table.ports:
            for sock in listen(port, addresses):
                self._acceptors.append(Acceptor(self, sock, port, arrivals))

    def choose(self, address: str) -> int:
        """A port for a client. Raises PassiveUnavailableError."""
        try:
            return self._table.choose(address)
        except PortsExhaustedError:
            self._metrics.passive_exhausted.inc()
            raise PassiveUnavailableError("All passive ports are in use; try again.") from None

    def expect(self, expectation: Expectation) -> None:
        """Somebody waits at a port now."""
        self._table.add(expectation)

    def forget(self, expectation: Expectation) -> None:
        """Waits no more."""
        self._table.remove(expectation)

    def waiting(self, port: int) -> list[Expectation]:
        """Who waits at a port."""
        return self._table.waiting(port)

    @property
    def loop(self) -> EventLoop:
        """Where the ports are watched."""
        return self._loop


class Acceptor(Channel):
    """One open port."""

    def __init__(self, ports: PassivePorts, sock: socket.socket, port: int, arrivals: Arrivals) -> None:
        super().__init__(ports.loop, sock)
        self._ports = ports
        self._port = port
        self._arrivals = arrivals
        self.watch(READ)

    def handle_read_event(self) -> None:
        try:
            sock, peer = self.socket.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            # Out of descriptors. Who waits stays in the backlog, and would wake the loop up all the time.
            warn("accept failed", port=self._port, error=error.strerror)
            self.pause(PAUSE_SECONDS, lambda: self.watch(READ))
            return
        if self._ports.waiting(self._port):
            sock.setblocking(False)
            self._arrivals.accept(sock, peer[:2], lambda: self._ports.waiting(self._port))
        else:
            sock.close()

    def handle_error(self) -> None:
        warn("accept failed", port=self._port)
