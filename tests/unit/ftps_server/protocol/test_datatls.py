"""TLS over memory: nothing goes out that nobody asked for, nothing stays in."""

import socket
import ssl
import threading

import pytest
from OpenSSL import SSL

from ftps_server.config import TlsConfig
from ftps_server.protocol.datatls import DataTls
from ftps_server.tls import load_identity
from unit.ftps_server.harness import DEADLINE, wait_for

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def finished(step):
    """Whether a step that does not block is done."""
    try:
        step()
    except (SSL.WantReadError, SSL.WantWriteError):
        return False
    return True


@pytest.fixture(params=VERSIONS, ids=["TLS1.2", "TLS1.3"])
def ends(request, setup, clients):
    """Both ends of a connection after the handshake: ours, and a client's."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(DEADLINE)
    client = clients.context(request.param).wrap_socket(
        theirs, server_hostname="localhost", do_handshake_on_connect=False
    )
    thread = threading.Thread(target=client.do_handshake)
    thread.start()
    tls = DataTls(load_identity(setup.directory, TlsConfig()).context, ours)
    wait_for(lambda: finished(tls.do_handshake), "the handshake")
    thread.join()
    yield tls, client
    client.close()
    tls.close()


def test_nothing_is_sent_after_the_handshake_until_there_is_something_to_say(ends):
    tls, client = ends
    raw = socket.socket(fileno=socket.dup(client.fileno()))
    with raw:
        raw.setblocking(False)
        with pytest.raises(BlockingIOError):
            raw.recv(1, socket.MSG_PEEK)
    tls.send(b"data")
    assert client.recv(100) == b"data"


def test_data_that_came_with_close_notify_is_returned_before_the_end(ends):
    tls, client = ends
    client.sendall(b"all of it")
    waiting = threading.Thread(target=client.unwrap)
    waiting.start()
    received = []

    def ended():
        try:
            received.append(tls.recv(100))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            return True
        return False

    wait_for(ended, "the end")
    assert b"".join(received) == b"all of it"
    wait_for(lambda: finished(tls.shutdown), "the shutdown")
    waiting.join()


def test_an_end_without_close_notify_is_no_end(ends):
    tls, client = ends
    client.close()
    with pytest.raises(SSL.SysCallError):
        wait_for(lambda: finished(lambda: tls.recv(100)))


def test_data_wait_for_a_slow_reader_in_their_order(ends):
    tls, client = ends
    total = 8 << 20
    received = bytearray()

    def read():
        while chunk := client.recv(1 << 16):
            received.extend(chunk)

    sent = bytearray()
    blocked = False
    reader = threading.Thread(target=read)
    while len(sent) < total:
        chunk = len(sent).to_bytes(8, "big") * 4096
        try:
            assert tls.send(chunk) == len(chunk)
            sent += chunk
        except SSL.WantWriteError:
            if not blocked:
                blocked = True
                reader.start()
    wait_for(lambda: finished(tls.shutdown), "the shutdown")
    reader.join()
    assert blocked
    assert received == sent
