"""Reads what a TLS ClientHello offers (RFC 8446, section 4.1.2), before OpenSSL has decided on it."""

import struct
from dataclasses import dataclass

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SESSION_TICKET, _ALPN, _PRE_SHARED_KEY = 35, 16, 41
_KEY_NAME = 16
_EXTENSION_HEADER = struct.Struct("!HH")
MAX_BYTES = 1 << 14
MAX_RECORDS = 64
"""All is read again whenever more has come: were there a record for each byte, the server would do nothing else."""


class NoClientHelloError(Exception):
    """Something else was received."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What matters here."""

    ticket: bytes | None
    """Of the session that is to be resumed."""
    protocols: tuple[str, ...]
    """What ALPN offers."""

    @property
    def key_name(self) -> bytes | None:
        """How OpenSSL's tickets begin (RFC 5077, section 4): each TLS context has a name of its own."""
        return self.ticket[:_KEY_NAME] if self.ticket is not None and len(self.ticket) > _KEY_NAME else None


def parse(data: bytes) -> ClientHello | None:
    """Read it; None while more must be received. Raises NoClientHelloError."""
    if data and (data[0] != _HANDSHAKE or data[1:2] not in {b"", b"\x03"}):
        raise NoClientHelloError
    message, records = b"", 0
    while len(data) >= 5:
        size, records = int.from_bytes(data[3:5]), records + 1
        if data[0] != _HANDSHAKE or not 0 < size <= 1 << 14 or records > MAX_RECORDS:
            raise NoClientHelloError
        message += data[5 : 5 + size]
        data = data[5 + size :]
    if message and message[0] != _CLIENT_HELLO:
        raise NoClientHelloError
    if len(message) >= 4 and int.from_bytes(message[1:4]) > MAX_BYTES:
        raise NoClientHelloError
    if len(message) < 4 or len(message) < 4 + (size := int.from_bytes(message[1:4])):
        return None
    extensions = _extensions(message[4 : 4 + size])
    return ClientHello(_ticket(extensions), _protocols(extensions))


class _Reader:
    """Reads fields; what is not there raises NoClientHelloError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise NoClientHelloError
        self._at += count
        return self._data[self._at - count : self._at]

    def vector(self, length_bytes: int) -> bytes:
        return self.take(int.from_bytes(self.take(length_bytes)))


def _extensions(hello: bytes) -> dict[int, bytes]:
    at = 2 + 32  # version, random
    for length_bytes in (1, 2, 1):  # session ID, cipher suites, compression methods
        at += length_bytes + int.from_bytes(hello[at : at + length_bytes])
    found: dict[int, bytes] = {}
    if at == len(hello):
        return found
    end = at + 2 + int.from_bytes(hello[at : at + 2])
    at += 2
    while at < end <= len(hello) and at + _EXTENSION_HEADER.size <= end:
        kind, size = _EXTENSION_HEADER.unpack_from(hello, at)
        at += _EXTENSION_HEADER.size + size
        found[kind] = hello[at - size : at]
    if at != end or end > len(hello):
        raise NoClientHelloError
    return found


def _ticket(extensions: dict[int, bytes]) -> bytes | None:
    if _PRE_SHARED_KEY in extensions:
        return _Reader(_Reader(extensions[_PRE_SHARED_KEY]).vector(2)).vector(2)
    return extensions.get(_SESSION_TICKET) or None


def _protocols(extensions: dict[int, bytes]) -> tuple[str, ...]:
    if _ALPN not in extensions:
        return ()
    names, found = _Reader(_Reader(extensions[_ALPN]).vector(2)), []
    while names:
        found.append(names.vector(1).decode("latin-1"))
    return tuple(found)
