"""TLS of one connection, over memory: the socket is the caller's, so one call of the kernel moves many records.

What TLS wants to send waits here until it is taken; after a TLS 1.3 handshake these are session tickets.
"""

import ssl
from contextlib import suppress

from ftps_server import ktls, newticket

# RFC 8446, section 4.1.3: the random of a ServerHello that is a HelloRetryRequest.
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class TlsStream:
    """The server's side. Every method but `receive` and `take` raises ssl.SSLError when the peer breaks the rules."""

    __slots__ = ("_incoming", "_outgoing", "_tls", "established", "keys")

    def __init__(self, context: ssl.SSLContext, *, keep_keys: bool = False) -> None:
        """With `keep_keys` the kernel may encrypt in its stead after the handshake."""
        self.keys = ktls.Keys() if keep_keys else None
        if keep_keys:
            context.options |= ktls.ENABLE
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.established = False

    def receive(self, data: bytes | memoryview) -> None:
        """Take what came from the network."""
        self._incoming.write(data)

    def take(self) -> bytes:
        """What is to be sent over the network."""
        return self._outgoing.read()

    @property
    def has_input(self) -> bool:
        """Whether something was received that nobody has looked at."""
        return self._incoming.pending > 0

    @property
    def has_more(self) -> bool:
        """Whether to read once more may give data, or its end, without receiving more."""
        return self._incoming.pending > 0 or self._tls.pending() > 0

    def handshake(self) -> bool:
        """Go on; whether it is done."""
        try:
            if self.keys is None:
                self._tls.do_handshake()
            else:
                ktls.handshake(self._tls, self.keys)
        except ssl.SSLWantReadError:
            return False
        self.established = True
        return True

    def read(self, size: int) -> bytes | None:
        """Data; None when more must be received first; nothing at all after the peer's close_notify."""
        try:
            return self._tls.read(size)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""

    def read_into(self, buffer: memoryview) -> tuple[int, bool]:
        """All data that can be had without receiving more, and whether the peer's close_notify is behind it."""
        read, count, size = self._tls.read, 0, len(buffer)
        try:
            while count < size:
                got = read(size - count, buffer[count:])
                if not got:
                    return count, True
                count += got  # type: ignore[operator]
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            return count, True
        return count, False

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt all of the data."""
        size = len(data)
        done = self._tls.write(data)
        while done < size:
            done += self._tls.write(memoryview(data)[done:])

    def close_notify(self) -> None:
        """Say that this was all. The peer's own word is not waited for."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()

    def issue_ticket(self) -> None:
        """Hand out a further ticket, where that is possible. It waits for what is written next."""
        if self.version == "TLSv1.3":
            newticket.issue(self._tls)

    @property
    def reused(self) -> bool:
        """Whether the handshake resumes a session of this stream's context. True as soon as ClientHello is read.

        Only the end of the handshake proves that it is not a replay.
        """
        return bool(self._tls.session_reused)

    @property
    def version(self) -> str:
        """`TLSv1.3`."""
        return self._tls.version() or ""

    @property
    def cipher(self) -> str:
        """By OpenSSL's name."""
        cipher = self._tls.cipher()
        return cipher[0] if cipher else ""

    @property
    def alpn(self) -> str | None:
        """The protocol that was agreed on (RFC 7301)."""
        return self._tls.selected_alpn_protocol()

    def peer_certificate(self) -> dict[str, object]:
        """As `ssl.SSLSocket.getpeercert` gives it; empty where there is none."""
        return self._tls.getpeercert() or {}  # type: ignore[return-value]

    def peer_certificate_der(self) -> bytes | None:
        """The same, in full."""
        return self._tls.getpeercert(binary_form=True)


def asks_to_retry(output: bytes) -> bool:
    """Whether a server's first output asks for another ClientHello: nothing is decided then, and nothing given away."""
    return output[11:43] == _RETRY
