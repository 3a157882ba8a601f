"""Who a connection comes from, when a proxy tells it; of what is behind the header nothing is taken."""

import ipaddress
import socket
import struct

import pytest

from ftps_server.config import ProxyProtocolConfig
from ftps_server.proxyheader import MAX_BYTES, HeaderReader, ProxyRefusedError

PROXY = ("10.0.0.5", 40000)
CONFIG = ProxyProtocolConfig.model_validate({"allowedProxies": ["10.0.0.0/24", "fd00::/64"]})
TLS = b"\x16\x03\x01\x02\x00\x01"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TCP4, TCP6 = 0x11, 0x21


def binary(command, kind, fields):
    return SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(fields)) + fields


def endpoints(source, destination, source_port, destination_port):
    packed = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    return packed + struct.pack("!HH", source_port, destination_port)


FIELDS4 = endpoints("192.0.2.1", "10.0.0.9", 1234, 990)
FIELDS6 = endpoints("2001:db8::1", "fd00::9", 1234, 990)

ANSWERS = {
    b"PROXY TCP4 192.0.2.1 10.0.0.9 1234 990\r\n": ("192.0.2.1", 1234),
    b"PROXY TCP6 2001:DB8:0::1 fd00::9 0 65535\r\n": ("2001:db8::1", 0),
    b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:10.0.0.9 1234 990\r\n": ("192.0.2.1", 1234),
    b"PROXY UNKNOWN\r\n": PROXY,
    b"PROXY UNKNOWN " + 91 * b"\xff" + b"\r\n": PROXY,
    binary(0x21, TCP4, FIELDS4): ("192.0.2.1", 1234),
    binary(0x21, TCP6, FIELDS6): ("2001:db8::1", 1234),
    binary(0x21, TCP6, endpoints("::ffff:192.0.2.1", "::1", 1234, 990)): ("192.0.2.1", 1234),
    binary(0x21, TCP4, FIELDS4 + b"\x04\x00\x03nop"): ("192.0.2.1", 1234),
    binary(0x21, TCP4, FIELDS4 + bytes(MAX_BYTES - 28)): ("192.0.2.1", 1234),
    binary(0x21, 0x00, b"whatever"): PROXY,
    binary(0x20, 0x00, b""): PROXY,
    binary(0x20, 0x31, bytes(216)): PROXY,
}

REFUSED = [
    TLS,
    b"GET / HTTP/1.1\r\n\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.9 1234 990\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.9 1234\r\n",
    b"PROXY TCP4  192.0.2.1 10.0.0.9 1234 990\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.9 1234 990 \r\n",
    b"PROXY TCP4 192.0.2.01 10.0.0.9 1234 990\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0 1234 990\r\n",
    b"PROXY TCP4 2001:db8::1 fd00::9 1234 990\r\n",
    b"PROXY TCP6 fe80::1%eth0 fd00::9 1234 990\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.9 01 990\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.9 65536 990\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.9 +1 990\r\n",
    b"PROXY TCP4 192.0.2.1 10.0.0.9 \xd9\xa1 990\r\n",
    b"PROXY UDP4 192.0.2.1 10.0.0.9 1234 990\r\n",
    b"PROXY UNKNOWNS\r\n",
    b"proxy TCP4 192.0.2.1 10.0.0.9 1234 990\r\n",
    b"PROXY UNKNOWN " + 92 * b"x" + b"\r\n",
    binary(0x21, TCP4, FIELDS4 + bytes(MAX_BYTES - 27)),
    binary(0x21, TCP4, FIELDS4[:-1]),
    binary(0x21, TCP6, FIELDS4),
    binary(0x21, 0x12, FIELDS4),
    binary(0x21, 0x31, bytes(216)),
    binary(0x22, TCP4, FIELDS4),
    binary(0x11, TCP4, FIELDS4),
    SIGNATURE[:-1] + b"\r",
]


class Link:
    """A connection from a proxy."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)

    def reader(self, peer=PROXY, config=CONFIG):
        return HeaderReader(self.ours, peer, config)

    def rest(self):
        self.theirs.close()
        self.ours.setblocking(True)
        return b"".join(iter(lambda: self.ours.recv(4096), b""))


@pytest.fixture
def link():
    link = Link()
    yield link
    link.ours.close()
    link.theirs.close()


@pytest.mark.parametrize(("header", "client"), ANSWERS.items())
def test_the_client_is_told_and_what_follows_is_left(link, header, client):
    link.theirs.sendall(header + TLS)
    reader = link.reader()
    assert reader.read() == client
    assert reader.read() == client
    assert link.rest() == TLS


@pytest.mark.parametrize("header", [each for each in ANSWERS if len(each) < 120])
def test_a_header_may_come_byte_by_byte(link, header):
    reader = link.reader()
    for byte in header[:-1]:
        link.theirs.send(bytes([byte]))
        assert reader.read() is None
        with pytest.raises(BlockingIOError):  # nothing lies there that would wake the loop up again
            link.ours.recv(1, socket.MSG_PEEK)
    link.theirs.send(header[-1:] + TLS)
    assert reader.read() == ANSWERS[header]
    assert link.rest() == TLS


@pytest.mark.parametrize("header", REFUSED)
def test_anything_else_is_refused(link, header):
    link.theirs.sendall(header)
    with pytest.raises(ProxyRefusedError):
        link.reader().read()


def test_nothing_yet_is_nothing_yet(link):
    assert link.reader().read() is None


@pytest.mark.parametrize("part", [b"", b"PROXY TCP4 192.0.2.1", SIGNATURE])
def test_an_end_within_the_header_is_refused(link, part):
    reader = link.reader()
    link.theirs.sendall(part)
    assert reader.read() is None
    link.theirs.close()
    with pytest.raises(ProxyRefusedError, match="closed"):
        reader.read()


def test_a_broken_connection_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        with pytest.raises(ProxyRefusedError, match="reset"):
            HeaderReader(ours, PROXY, CONFIG).read()


@pytest.mark.parametrize("address", ["10.0.1.5", "::1", "192.0.2.1"])
def test_who_is_not_an_allowed_proxy_is_refused_unheard(link, address):
    link.theirs.sendall(b"PROXY TCP4 192.0.2.1 10.0.0.9 1234 990\r\n")
    with pytest.raises(ProxyRefusedError, match="not an allowed proxy"):
        link.reader((address, 1)).read()


@pytest.mark.parametrize("peer", [("fd00::5", 1, 0, 0), ("::ffff:10.0.0.5", 1, 0, 0)])
def test_a_proxy_is_known_in_both_families(link, peer):
    link.theirs.sendall(b"PROXY TCP4 192.0.2.1 10.0.0.9 1234 990\r\n")
    assert link.reader(peer).read() == ("192.0.2.1", 1234)


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        (("192.0.2.1", 1234), ("192.0.2.1", 1234)),
        (("2001:db8::1", 1234, 0, 0), ("2001:db8::1", 1234)),
        (("fe80::1%eth0", 1234, 0, 2), ("fe80::1%eth0", 1234)),
        (("::ffff:192.0.2.1", 1234, 0, 0), ("192.0.2.1", 1234)),
    ],
)
def test_without_proxies_it_is_the_peer(link, peer, client):
    link.theirs.sendall(TLS)
    assert link.reader(peer, None).read() == client
    assert link.rest() == TLS
