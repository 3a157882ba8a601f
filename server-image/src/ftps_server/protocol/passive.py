"""Passive mode: PASV (RFC 959) and EPSV (RFC 2428).

pyftpdlib's own PassiveDTP takes a random port when its range is exhausted. Behind a Service nobody can reach that
port, so it is written anew here; accepting a connection is inherited.
"""

import socket
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
        self._listen()
        self._answer(address)
        self.call_later(self.timeout, self.handle_timeout)

    def _announced(self) -> str:
        channel = self.cmd_channel
        if channel.socket.family != socket.AF_INET:
            raise PassiveUnavailableError("PASV knows IPv4 only; use EPSV.")
        address = channel.services.announcer.address_for(channel.remote_ip)
        if address is None:
            raise PassiveUnavailableError("The server does not know its own address yet; use EPSV, or try again.")
        return str(address)

    def _listen(self) -> None:
        """Listen on a free port. One that somebody else in the pod has is left out."""
        host = self.cmd_channel.socket.getsockname()[0]
        for _ in range(self._ports.total):
            port = self._ports.take()
            if port is None:
                break
            self._port = port
            self._metrics.passive_ports_in_use.set(self._ports.in_use)
            self.create_socket(self.cmd_channel.socket.family, socket.SOCK_STREAM)
            self.set_reuse_addr()
            try:
                self.bind((host, port))
                self.listen(BACKLOG)
            except OSError as error:
                warn("passive port unusable", port=port, error=error.strerror)
                self.close()
                continue
            return
        warn("passive ports exhausted", **self.cmd_channel.identification())
        raise PassiveUnavailableError("All passive ports are in use; try again.")

    def _answer(self, address: str | None) -> None:
        port = self._port
        assert port is not None  # noqa: S101 - _listen has set it
        if address is None:
            self.cmd_channel.respond(f"229 Entering extended passive mode (|||{port}|).")
        else:
            numbers = ",".join([*address.split("."), str(port // 256), str(port % 256)])
            self.cmd_channel.respond(f"227 Entering passive mode ({numbers}).")

    def close(self) -> None:
        """Stop listening, and give the port back."""
        port, self._port = self._port, None
        super().close()
        if port is not None:
            self._ports.give_back(port)
            self._metrics.passive_ports_in_use.set(self._ports.in_use)
