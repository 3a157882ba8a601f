"""Sessions that are about to transfer, and data connections whose bytes are at hand."""

import ftplib
import socket
import ssl
from types import TracebackType
from typing import Self

import pytest

from support.ftps import Ftps
from unit.ftps_server.harness import DEADLINE, Clients
from unit.ftps_server.protocol.memorytls import MemoryClient

HOST = "127.0.0.1"
ELSEWHERE = "127.0.0.2"
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
BOTH_VERSIONS = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["TLSv1.2", "TLSv1.3"])


def logged_in(clients: Clients, name: str = "alice", version: ssl.TLSVersion | None = None) -> Ftps:
    """A session that transfers files as they are."""
    client = clients.login(name, version=version)
    client.voidcmd("TYPE I")
    return client


def offered(client: Ftps) -> int:
    """A passive port."""
    return ftplib.parse229(client.sendcmd("EPSV"), client.sock.getpeername())[1]


def ask(client: Ftps, command: str) -> None:
    """Have a command wait for its data connection: the server must not have one yet."""
    client.putcmd(command)
    assert client.getresp().startswith("150 ")


def failure(client: Ftps) -> str:
    """The answer to a transfer that does not succeed."""
    with pytest.raises(ftplib.Error) as caught:
        client.getresp()
    return str(caught.value)


class RefusedError(Exception):
    """The server has ended a connection within its handshake."""


class DataClient:
    """One data connection. Nothing is received but what is asked for."""

    def __init__(
        self, context: ssl.SSLContext, port: int, *, session: ssl.SSLSession | None = None, source: str = HOST
    ) -> None:
        self.sock = socket.create_connection((HOST, port), timeout=DEADLINE, source_address=(source, 0))
        self.tls = MemoryClient(context, session)
        self.hello = self.tls.handshake()
        self.first_answer = b""

    def shake_hands(self) -> None:
        """Raises RefusedError."""
        try:
            self.sock.sendall(self.hello)
            while not self._goes_on():
                received = self.sock.recv(1 << 16)
                if not received:
                    raise RefusedError
                self.first_answer = self.first_answer or received
                self.tls.incoming.write(received)
        except (ConnectionError, ssl.SSLError) as error:
            raise RefusedError from error

    def _goes_on(self) -> bool:
        try:
            self.tls.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.sock.sendall(self.tls.outgoing.read())
        return True

    def download(self) -> bytes:
        """All that comes, after a handshake."""
        self.shake_hands()
        received = b""
        while part := self.sock.recv(1 << 16):
            received += part
        return self.tls.receive(received)

    def upload(self, content: bytes) -> None:
        """A whole file, after a handshake."""
        self.shake_hands()
        self.sock.sendall(self.tls.send(content) + self.tls.end())
        while self.sock.recv(1 << 16):
            pass

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.close()


def data_of(client: Ftps, port: int, *, source: str = HOST) -> DataClient:
    """A session's own data connection: it resumes the session."""
    return DataClient(client.context, port, session=client.sock.session, source=source)
