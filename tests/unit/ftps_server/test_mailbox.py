"""Calls from other threads."""

import threading

import pytest
from pyftpdlib.ioloop import IOLoop

from ftps_server.mailbox import Mailbox


@pytest.fixture
def loop():
    loop = IOLoop()
    yield loop
    loop.close()


def test_calls_from_threads_wake_the_loop_up(loop):
    mailbox = Mailbox(loop)
    called = []
    for number in range(100):
        threading.Thread(target=mailbox.post, args=(lambda number=number: called.append(number),)).start()
    while len(called) < 100:
        loop.loop(timeout=10, blocking=False)
    assert sorted(called) == list(range(100))


def test_a_call_that_fails_does_not_end_the_others(loop, caplog):
    mailbox = Mailbox(loop)
    called = []
    mailbox.post(lambda: 1 / 0)
    mailbox.post(lambda: called.append("second"))
    loop.loop(timeout=10, blocking=False)
    assert called == ["second"]
    assert "ZeroDivisionError" in caplog.text


def test_posting_to_a_closed_mailbox_is_harmless(loop):
    mailbox = Mailbox(loop)
    mailbox.close()
    mailbox.post(lambda: None)
