"""Who connects to a victim's passive port in its stead, from the victim's own address.

Each tries to complete a handshake, to read all there is, or to have something of its own stored. None has what only the
victim has: the secret of the TLS session of its control connection.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack, suppress

from security.harness import HOST, DataClient, RefusedError, data_of, offered
from support.ftps import Ftps
from unit.ftps_server.harness import DEADLINE, Clients

EVIL = b"not the victim's " * 100
MAX_HANDSHAKE_BYTES = 3000
"""Of a server that resumes a session; with X25519MLKEM768 its ServerHello alone has 1,200."""


class Attacker:
    """Comes without a TLS session."""

    plants = False
    """Whether it sends a file, instead of reading what there is."""

    def __init__(self, clients: Clients, version: ssl.TLSVersion) -> None:
        self.clients = clients
        self.version = version
        self.context = clients.context(version)
        self.session: ssl.SSLSession | None = None
        self.open = ExitStack()
        self.got = b""
        """Of what the victim's session has to say, in clear."""

    def prepare(self, victim: Ftps) -> None:
        """What comes before the transfer that is attacked."""

    def strike(self, port: int) -> None:
        """Connect, and go as far as the server lets it."""
        data = self.connect(port)
        with suppress(RefusedError):
            if self.plants:
                data.upload(EVIL)
            else:
                self.got += data.download()

    def connect(self, port: int) -> DataClient:
        return self.open.enter_context(DataClient(self.context, port, session=self.session))

    def look_again(self) -> None:
        """Take what has come since."""

    def leave(self) -> None:
        self.open.close()


class WithOwnTicket(Attacker):
    """Of a control connection that has not logged in."""

    def prepare(self, _victim: Ftps) -> None:
        control = self.clients.connect(self.version)
        control.auth()
        self.take_ticket(control)

    def take_ticket(self, control: Ftps) -> None:
        control.voidcmd("NOOP")  # in TLS 1.3 tickets come behind the handshake
        self.context, self.session = control.context, control.sock.session
        assert self.session is not None
        assert self.session.has_ticket


class LoggedIn(WithOwnTicket):
    """As another user, with the ticket of that session."""

    def prepare(self, _victim: Ftps) -> None:
        self.take_ticket(self.clients.login("mallory", version=self.version))


class Rejected(Attacker):
    """For the second time, with what it was given before it was turned away."""

    def prepare(self, victim: Ftps) -> None:
        port = offered(victim)
        data = self.connect(port)
        with suppress(RefusedError):
            data.shake_hands()
        with suppress(ValueError):  # there is none yet
            self.session = data.tls.tls.session
        victim.putcmd("NLST")
        with data_of(victim, port) as own:
            assert victim.getresp().startswith("1")
            own.download()
        assert victim.getresp().startswith("226 ")


class Recorder(Attacker):
    """Sends again, byte for byte, what the victim's last data connection has begun with."""

    behind = b""
    """What it sends then, as if the handshake went on."""

    def prepare(self, victim: Ftps) -> None:
        port = offered(victim)
        victim.putcmd("NLST")
        with data_of(victim, port) as own:
            assert victim.getresp().startswith("1")
            own.download()
        assert victim.getresp().startswith("226 ")
        self.hello = own.hello

    def strike(self, port: int) -> None:
        self.raw = self.open.enter_context(socket.create_connection((HOST, port), timeout=DEADLINE))
        self.raw.sendall(self.hello)
        self.answer = self.raw.recv(1 << 16)
        assert self.answer.startswith(b"\x16\x03")  # it is a good ClientHello
        self.raw.sendall(self.behind)

    def look_again(self) -> None:
        with suppress(ConnectionError):
            while part := self.raw.recv(1 << 16):
                self.answer += part
        # Up to the server's Finished and an alert, not encrypted for this one.
        if len(self.answer) > MAX_HANDSHAKE_BYTES:
            self.got = self.answer


class RecorderThatGoesOn(Recorder):
    """And something behind it."""

    behind = b"\x17\x03\x03" + len(EVIL).to_bytes(2) + EVIL


class Sender(Attacker):
    """Speaks no TLS, or not all of it."""

    def __init__(self, clients: Clients, version: ssl.TLSVersion, words: Callable[[bytes], bytes]) -> None:
        super().__init__(clients, version)
        self.words = words

    def strike(self, port: int) -> None:
        data = self.connect(port)
        self.raw = data.sock
        self.raw.sendall(self.words(data.hello))

    def look_again(self) -> None:
        self.raw.setblocking(False)  # nothing needs to come
        with suppress(BlockingIOError, ConnectionError):
            self.got += self.raw.recv(1 << 16)


def silent(clients: Clients, version: ssl.TLSVersion) -> Attacker:
    return Sender(clients, version, lambda _: b"")


def garbage(clients: Clients, version: ssl.TLSVersion) -> Attacker:
    return Sender(clients, version, lambda _: b"GET / HTTP/1.1\r\n\r\n")


def half_hello(clients: Clients, version: ssl.TLSVersion) -> Attacker:
    return Sender(clients, version, lambda hello: hello[: len(hello) // 2])


WITH_TLS = {
    "no session": Attacker,
    "own unauthenticated ticket": WithOwnTicket,
    "another user's ticket": LoggedIn,
    "rejected before": Rejected,
}
ALL = WITH_TLS | {
    "replayed ClientHello": Recorder,
    "replayed ClientHello and more": RecorderThatGoesOn,
    "silence": silent,
    "garbage": garbage,
    "half a ClientHello": half_hello,
}
