"""A channel that fails where pyftpdlib does not expect it takes nobody along."""

import socket

import pytest
from pyftpdlib.ioloop import AsyncChat

from ftps_server.eventloop import EventLoop


class Channel(AsyncChat):
    def __init__(self, loop, failing=None):
        ours, self.theirs = socket.socketpair()
        self.failing = failing
        self.got = b""
        super().__init__(ours, ioloop=loop)

    def _fail_as(self, name):
        if self.failing == name:
            raise RuntimeError(name)

    def readable(self):
        self._fail_as("readable")
        return True

    def writable(self):
        return False

    def handle_read(self):
        self._fail_as("handle_read")
        self.got += self.recv(100)

    def handle_close(self):
        self._fail_as("handle_close")
        self.close()

    def handle_error(self):
        self.close()


@pytest.fixture
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def channel(loop):
    made = []

    def make(failing=None):
        made.append(Channel(loop, failing))
        return made[-1]

    yield make
    for one in made:
        one.theirs.close()
        one.close()


@pytest.mark.parametrize("failing", ["readable", "handle_read", "handle_close"])
def test_a_failing_channel_is_closed_and_others_go_on(loop, channel, failing):
    bad, good = channel(failing), channel()
    if failing == "handle_close":
        loop.modify(bad.socket.fileno(), 0)
        bad.theirs.close()
    else:
        bad.theirs.send(b"data")
    good.theirs.send(b"data")
    loop.loop(timeout=1, blocking=False)
    assert good.got == b"data"
    assert bad not in loop.socket_map.values()
    assert bad.socket.fileno() == -1


def test_a_channel_that_cannot_even_end_is_forgotten(loop, channel, monkeypatch):
    bad = channel("readable")
    monkeypatch.setattr(bad, "handle_error", lambda: 1 / 0)
    bad.theirs.send(b"data")
    loop.loop(timeout=1, blocking=False)
    assert bad not in loop.socket_map.values()
    assert bad.socket.fileno() == -1
