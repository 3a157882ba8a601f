"""Whatever a proxy sends, the answer is a client or a refusal, and nothing behind the header is taken."""

import ipaddress
import socket
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from ftps_server.config import ProxyProtocolConfig
from ftps_server.proxyheader import HeaderReader, ProxyRefusedError
from fuzz.strategies import damaged, pieces

PEER = ("10.0.0.5", 40000)
CONFIG = ProxyProtocolConfig.model_validate({"allowedProxies": ["10.0.0.0/24"]})
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY "

PORTS = st.integers(0, 65535)
FAMILIES = st.sampled_from([(st.ip_addresses(v=4), b"TCP4", 0x11), (st.ip_addresses(v=6), b"TCP6", 0x21)])


@st.composite
def valid(draw):
    """A header, and whom it tells."""
    addresses, family, kind = draw(FAMILIES)
    source, destination, port, own = draw(addresses), draw(addresses), draw(PORTS), draw(PORTS)
    client = (str(getattr(source, "ipv4_mapped", None) or source), port)
    if draw(st.booleans()):
        return b"PROXY %b %b %b %d %d\r\n" % (
            family,
            *(str(a).encode() for a in (source, destination)),
            port,
            own,
        ), client
    fields = source.packed + destination.packed + struct.pack("!HH", port, own) + draw(st.binary(max_size=300))
    return binary(0x21, kind, fields), client


@st.composite
def local(draw):
    """A header that tells nobody."""
    if draw(st.booleans()):
        rest = draw(st.binary(max_size=80)).replace(b"\n", b"")
        return b"PROXY UNKNOWN" + (b" " + rest if rest else b"") + b"\r\n"
    return binary(0x20, draw(st.integers(0, 255)), draw(st.binary(max_size=300)))


def binary(command, kind, fields):
    return SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(fields)) + fields


def outcome(data, arrivals):
    """The answer, None for a refusal, and how many bytes were taken."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        reader, answer, sent = HeaderReader(ours, PEER, CONFIG), None, 0
        try:
            for each in arrivals:
                theirs.sendall(data[each])
                sent = each.stop
                answer = reader.read()
                if answer is not None:
                    break
            else:
                theirs.shutdown(socket.SHUT_WR)
                answer = reader.read()
                assert answer is not None, "waits on after the end"
        except ProxyRefusedError:
            pass
        left = b""
        theirs.shutdown(socket.SHUT_WR)
        while got := ours.recv(1 << 16):
            left += got
        assert data[:sent].endswith(left)
        return answer, sent - len(left)


def header_end(data):
    """By the protocol's own words; where it is none, up to where it may be one."""
    if data.startswith(SIGNATURE):
        return 16 + int.from_bytes(data[14:16]) if len(data) >= 16 else len(data)
    if data.startswith(LINE):
        return (data.find(b"\n", 0, 107) + 1) or min(len(data), 107)
    return max(count for count in range(13) if SIGNATURE.startswith(data[:count]) or LINE.startswith(data[:count]))


@settings(max_examples=300, deadline=None)
@given(st.data(), valid(), st.binary(max_size=64))
def test_a_valid_header_tells_the_client_however_it_arrives(data, header, behind):
    header, client = header
    sent = header + behind
    assert outcome(sent, data.draw(pieces(len(sent)))) == (client, len(header))


@settings(max_examples=150, deadline=None)
@given(st.data(), local(), st.binary(max_size=64))
def test_a_header_of_nobody_tells_the_proxy(data, header, behind):
    sent = header + behind
    assert outcome(sent, data.draw(pieces(len(sent)))) == (PEER, len(header))


@settings(max_examples=700, deadline=None)
@given(st.data(), damaged(valid().map(lambda each: each[0]) | local() | st.binary(max_size=64)), st.binary(max_size=64))
def test_a_damaged_header_is_answered_or_refused_and_nothing_more_is_taken(data, header, behind):
    sent = header + behind
    answer, taken = outcome(sent, data.draw(pieces(len(sent))))
    assert taken <= header_end(sent)
    assert (answer is None) == (outcome(sent, [slice(0, len(sent))] if sent else [])[0] is None)
    if answer is not None:
        address, port = answer
        parsed = ipaddress.ip_address(address)
        assert str(parsed) == address
        assert getattr(parsed, "ipv4_mapped", None) is None
        assert 0 <= port <= 65535
        assert taken == header_end(sent)
