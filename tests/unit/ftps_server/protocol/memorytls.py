"""Real TLS clients whose network is a test."""

import ssl
from contextlib import suppress
from pathlib import Path

from ftps_server.protocol.tlsstream import TlsStream

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def server_context(directory: Path, identity: tuple[bytes, bytes]) -> ssl.SSLContext:
    """A context that nobody else has, with a certificate and its key."""
    pem = directory / "identity.pem"
    pem.write_bytes(b"".join(identity))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def client_context(authority: bytes, version: ssl.TLSVersion | None = None, protocols: tuple[str, ...] = ()):
    context = ssl.create_default_context(cadata=authority.decode())
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


class MemoryClient:
    """One connection's client."""

    def __init__(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost", session=session)

    def handshake(self) -> bytes:
        """Go on; what is to be sent. The first is ClientHello."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def connect(self, server: TlsStream) -> None:
        """The whole handshake."""
        while not server.established:
            server.receive(self.handshake())
            server.handshake()
            # What TLS 1.3 has to send at the end are tickets: they stay with the server.
            if not server.established or server.version == "TLSv1.2":
                self.incoming.write(server.take())
        self.handshake()

    def send(self, data: bytes) -> bytes:
        """What is to be sent to say this."""
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
        return self.outgoing.read()

    def receive(self, sent: bytes) -> bytes:
        """All data there is, up to close_notify."""
        self.incoming.write(sent)
        data = b""
        with suppress(ssl.SSLWantReadError):
            while got := self.tls.read(1 << 16):
                data += got
        return data

    def end(self) -> bytes:
        """What is to be sent to say that this was all."""
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        return self.outgoing.read()


def session_of(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLSession:
    """A session with a ticket, from a connection of its own."""
    stream, first = TlsStream(server), MemoryClient(client)
    first.connect(stream)
    first.receive(stream.take())
    session = first.tls.session
    assert session is not None
    assert session.has_ticket
    return session
