"""A socket in the loop: who hears of it, and who does not any more."""

import os
import socket

import pytest

from ftps_server.channel import NOTHING, READ, Channel
from ftps_server.eventloop import EventLoop


class Listening(Channel):
    heard = 0

    def handle_read_event(self):
        self.heard += len(self.socket.recv(100))


@pytest.fixture
def loop():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_successor_hears_what_was_watched_and_the_channel_before_is_over(loop, ends):
    ours, theirs = ends
    first = Listening(loop, ours)
    first.watch(READ)
    second = Listening(loop, ours)
    first.hand_over(second)
    theirs.send(b"data")
    loop.poll(1)
    assert (first.heard, second.heard) == (0, 4)
    assert first.closed
    assert not second.closed
    second.watch(NOTHING)
    theirs.send(b"data")
    loop.poll(0)
    assert second.heard == 4


def test_a_successor_of_who_had_left_the_loop_is_not_in_it(loop, ends):
    first, second = Listening(loop, ends[0]), Listening(loop, ends[0])
    first.watch(READ)
    first.forget()
    first.hand_over(second)
    assert second.is_paused
    assert len(loop.socket_map) == 0
    second.watch(READ)
    ends[1].send(b"data")
    loop.poll(1)
    assert second.heard == 4


def test_what_is_closed_is_forgotten_and_its_descriptor_can_be_watched_again(loop, ends):
    ours, theirs = ends
    first = Listening(loop, ours)
    first.watch(READ)
    number = ours.fileno()
    first.close()
    assert len(loop.socket_map) == 0
    left, right = socket.socketpair()
    with right:
        again = left if left.fileno() == number else socket.socket(fileno=os.dup2(left.detach(), number))
        second = Listening(loop, again)
        second.watch(READ)
        right.send(b"data")
        loop.poll(1)
        assert (first.heard, second.heard) == (0, 4)
        second.close()
    theirs.close()
