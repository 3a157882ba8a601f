"""Whatever comes for a ClientHello is read, waited for or refused."""

import functools
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ftps_server.protocol.clienthello import MAX_BYTES, ClientHello, NoClientHelloError, parse
from ftps_server.protocol.tlsstream import TlsStream
from fuzz.strategies import damaged
from unit.ftps_server.harness import Pki
from unit.ftps_server.protocol.memorytls import VERSIONS, MemoryClient, client_context, server_context, session_of

RECORD = 1 << 14


@functools.cache
def server():
    with tempfile.TemporaryDirectory() as directory:
        return server_context(Path(directory), pki().issue())


@functools.cache
def pki():
    return Pki()


@functools.cache
def real():
    """ClientHellos of all kinds."""
    hellos = []
    for version in (*VERSIONS, None):
        context = client_context(pki().root(), version, ("ftp", "ftp-data"))
        hellos += [MemoryClient(context, session).handshake() for session in (None, session_of(context, server()))]
    return hellos


@st.composite
def hellos(draw):
    """A real one, in records of another size."""
    hello = draw(st.integers(0, 5).map(lambda number: real()[number]))
    message, size = hello[5:], draw(st.integers(20, 600))
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(hello[:3] + len(part).to_bytes(2) + part for part in parts)


def outcome(data):
    try:
        return parse(data)
    except NoClientHelloError:
        return NoClientHelloError


def resumes(data):
    stream = TlsStream(server())
    stream.receive(data)
    with suppress(ssl.SSLError):
        stream.handshake()
    return stream.reused


@settings(max_examples=1000, deadline=None)
@given(damaged(hellos()))
def test_a_damaged_hello_is_read_waited_for_or_refused(data):
    found = outcome(data)
    if isinstance(found, ClientHello) and resumes(data):
        assert found.key_name == parse(real()[1]).key_name
    if found is None:
        assert is_decided(data), "waits for ever"


@settings(max_examples=300, deadline=None)
@given(st.data(), damaged(hellos()))
def test_what_is_decided_is_decided_by_what_came_first(data, sent):
    """More never makes a hello of what was none, and changes none that was there."""
    before, after = outcome(sent[: data.draw(st.integers(0, len(sent)))]), outcome(sent)
    assert before is None or after in {before, NoClientHelloError}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_noise_is_refused_or_waited_for(data):
    if outcome(data) is None:
        assert is_decided(data), "waits for ever"


def is_decided(data):
    """Whether it is, once enough has come."""
    at = 0
    while at + 5 <= len(data):
        at += 5 + int.from_bytes(data[at + 3 : at + 5])
    # The header that is cut, or the rest of the record, then records that are full.
    data += (b"\x16\x03\x01\x40\x00"[len(data) - at :] + bytes(RECORD)) if at < len(data) else bytes(at - len(data))
    full = b"\x16\x03\x01\x40\x00" + bytes(RECORD)
    return outcome(data + full * (MAX_BYTES // RECORD + 1)) is not None
