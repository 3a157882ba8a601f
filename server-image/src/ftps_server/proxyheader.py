"""The PROXY protocol, versions 1 and 2: who the client is when a proxy stands in between.

As haproxy's proxy-protocol.txt has it. The header comes before TLS, so nothing but the header may be taken from the
socket. What has arrived of it is taken at once: if it lay in the socket until the rest is there, the socket would be
readable all that time. TLVs are skipped, whatever they hold.
"""

import socket
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import Any

from ftps_server.config import ProxyProtocolConfig

MAX_BYTES = 4096
"""Of a version 2 header. Its addresses take 52; the rest are TLVs, a few hundred bytes at the proxies known."""
_MAX_LINE_BYTES = 107
_LINE_START = b"PROXY "
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED_BYTES = 16
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED = 0x00
_SIZES = {0x11: 4, 0x21: 16}
"""Of an address, for TCP over IPv4 and IPv6."""

_Endpoint = tuple[str, int]


class ProxyRefusedError(Exception):
    """A connection that does not begin as it must; the text says why, and holds nothing that was received."""


class HeaderReader:
    """Reads the header of one connection from a non-blocking socket."""

    def __init__(self, sock: socket.socket, peer: tuple[Any, ...], config: ProxyProtocolConfig | None) -> None:
        """`peer` is the connection's own other end, as `accept` gives it. Without a `config` it is the client."""
        self._socket = sock
        address = peer[0]
        self._peer: _Endpoint = (_plain(ip_address(address)) if address.startswith("::") else address, peer[1])
        self._client = None if config else self._peer
        self._allowed = config is not None and _allows(config, self._peer[0])
        self._received = b""

    def read(self) -> _Endpoint | None:
        """The client's address and port; None while more must arrive. Raises ProxyRefusedError."""
        if self._client is None:
            if not self._allowed:
                raise ProxyRefusedError("not an allowed proxy")
            if self._receive():
                self._client = _client(self._received, self._peer)
        return self._client

    def _receive(self) -> bool:
        """Take what there is of the header; whether that is all of it."""
        try:
            ahead = self._socket.recv(MAX_BYTES, socket.MSG_PEEK)
            if not ahead:
                raise ProxyRefusedError("closed within the PROXY header")
            seen = self._received + ahead
            end = _end(seen)
            self._received += self._socket.recv(len(seen[:end]) - len(self._received))
        except BlockingIOError:
            return False
        except OSError as error:
            raise ProxyRefusedError(f"failed within the PROXY header: {error.strerror}") from error
        return len(self._received) == end


def _end(seen: bytes) -> int | None:
    """Where the header ends, which may be further on; None while nothing but the header can have been seen."""
    if seen.startswith(_SIGNATURE):
        if len(seen) < _FIXED_BYTES:
            return None
        end = _FIXED_BYTES + int.from_bytes(seen[14:16])
        if end > MAX_BYTES:
            raise ProxyRefusedError("PROXY header too long")
        return end
    if seen.startswith(_LINE_START):
        end = seen.find(b"\n", 0, _MAX_LINE_BYTES) + 1
        if not end and len(seen) >= _MAX_LINE_BYTES:
            raise ProxyRefusedError("PROXY header too long")
        return end or None
    if _SIGNATURE.startswith(seen) or _LINE_START.startswith(seen):
        return None
    raise ProxyRefusedError("no PROXY header")


def _client(header: bytes, peer: _Endpoint) -> _Endpoint:
    read = _binary if header.startswith(_SIGNATURE) else _line
    try:
        return read(header, peer)
    except (ValueError, LookupError):
        raise ProxyRefusedError("malformed PROXY header") from None


def _ipv6(text: str) -> IPv6Address:
    if "%" in text:  # a zone of the proxy's means nothing here
        raise AddressValueError
    return IPv6Address(text)


_ADDRESSES: dict[str, Callable[[str], IPv4Address | IPv6Address]] = {"TCP4": IPv4Address, "TCP6": _ipv6}


def _line(header: bytes, peer: _Endpoint) -> _Endpoint:
    """Version 1. Raises ValueError, LookupError."""
    line = header.decode("ascii", "replace")
    if not line.endswith("\r\n"):
        raise ValueError
    if line == "PROXY UNKNOWN\r\n" or line.startswith("PROXY UNKNOWN "):
        return peer
    _, family, source, destination, source_port, destination_port = line[:-2].split(" ")
    address = _ADDRESSES[family]
    address(destination)
    _port(destination_port)
    return _plain(address(source)), _port(source_port)


def _binary(header: bytes, peer: _Endpoint) -> _Endpoint:
    """Version 2. Raises ValueError, LookupError."""
    command, kind, fields = header[12], header[13], header[_FIXED_BYTES:]
    if command == _LOCAL or (command == _PROXY and kind == _UNSPECIFIED):
        return peer
    size = _SIZES[kind]
    if command != _PROXY or len(fields) < 2 * size + 4:
        raise ValueError
    return _plain(ip_address(fields[:size])), int.from_bytes(fields[2 * size : 2 * size + 2])


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5) or str(int(text)) != text or int(text) > 65535:
        raise ValueError
    return int(text)


def _plain(address: IPv4Address | IPv6Address) -> str:
    """An IPv4 address as such, also where it comes as an IPv6 one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _allows(config: ProxyProtocolConfig, proxy: str) -> bool:
    address = ip_address(proxy)
    return any(address in network for network in config.allowed_proxies)
