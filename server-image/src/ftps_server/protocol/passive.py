"""Passive mode: PASV (RFC 959) and EPSV (RFC 2428).

pyftpdlib's own PassiveDTP takes a random port when its range is exhausted. Behind a Service nobody can reach that
port, so it is written anew here.
"""

import socket
from contextlib import suppress
from typing import Any

from pyftpdlib.handlers.ftp.dispatchers import PassiveDTP
from pyftpdlib.ioloop import Acceptor

from ftps_server.logs import warn

BACKLOG = 5


class PassiveUnavailableError(Exception):
    """No data connection can be offered; the text is for the client."""


class PassiveAcceptor(PassiveDTP):  # type: ignore[misc]
    """Listens on one port of the range for one data connection. A client that does not come frees it in 30 s."""

    def __init__(self, cmd_channel: Any, extmode: bool = False) -> None:  # noqa: ANN401 - a Session; typing it is a cycle
        self.cmd_channel = cmd_channel
        self.log = cmd_channel.log
        self.log_exception = cmd_channel.log_exception
        self._ports = cmd_channel.services.ports
        self._metrics = cmd_channel.services.metrics
        self._port: int | None = None
        Acceptor.__init__(self, ioloop=cmd_channel.ioloop)
        address = None if extmode else self._announced()
        port = self._listen()
        if address is None:
            cmd_channel.respond(f"229 Entering extended passive mode (|||{port}|).")
        else:
            numbers = ",".join([*address.split("."), str(port // 256), str(port % 256)])
            cmd_channel.respond(f"227 Entering passive mode ({numbers}).")
        self.call_later(self.timeout, self.handle_timeout)

    def _announced(self) -> str:
        channel = self.cmd_channel
        if channel.socket.family != socket.AF_INET:
            raise PassiveUnavailableError("PASV knows IPv4 only; use EPSV.")
        address = channel.services.announcer.address_for(channel.remote_ip)
        if address is None:
            raise PassiveUnavailableError("The server does not know its own address yet; use EPSV, or try again.")
        return str(address)

    def _listen(self) -> int:
        """Listen on a free port. One that somebody else in the pod has is left out."""
        unusable = []
        try:
            while (port := self._ports.take()) is not None:
                try:
                    listening = _bound(self.cmd_channel.socket.family, port)
                except OSError as error:
                    warn("passive port unusable", port=port, error=error.strerror)
                    unusable.append(port)
                    continue
                self._port = port
                self._metrics.passive_ports_in_use.set(self._ports.in_use - len(unusable))
                self.accepting = True
                self.set_socket(listening)
                return int(port)
        finally:
            for port in unusable:
                self._ports.give_back(port)
        warn("passive ports exhausted", **self.cmd_channel.identification())
        raise PassiveUnavailableError("All passive ports are in use; try again.")

    def handle_accepted(self, sock: Any, addr: Any) -> None:  # noqa: ANN401
        if addr[0] != self.cmd_channel.remote_ip:
            # Without an answer: the client has asked nothing, so it would take it for that to its next command.
            warn("foreign data connection refused", address=addr[0], **self.cmd_channel.identification())
            sock.close()
            return
        self.close()
        self.cmd_channel.on_data_connecting(sock)

    def handle_timeout(self) -> None:
        """The client has not connected."""
        self.close()
        self.cmd_channel.on_data_connection_failed("425 Nobody connected to the passive port in time.")

    def handle_error(self) -> None:
        super().handle_error()
        # Out of descriptors, say. pyftpdlib would let the client wait.
        self.cmd_channel.on_data_connection_failed("425 The data connection could not be accepted; try again.")

    def close(self) -> None:
        """Stop listening, and give the port back."""
        port, self._port = self._port, None
        super().close()
        if port is not None:
            self._ports.give_back(port)
            self._metrics.passive_ports_in_use.set(self._ports.in_use)


def _bound(family: int, port: int) -> socket.socket:
    # On all addresses: the one that is announced need not be that which the control connection came to.
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A port may still have the connection of the transfer before.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("", port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        with suppress(OSError):
            sock.close()
        raise
    return sock
