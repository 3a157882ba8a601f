"""Brings calls from other threads, and from signal handlers, into the event loop."""

import queue
import socket
from collections.abc import Callable
from contextlib import suppress

from pyftpdlib.ioloop import AsyncChat

from ftps_server import logs


class Mailbox(AsyncChat):  # type: ignore[misc]
    """A socket pair in the loop: writing to one end wakes the loop up."""

    def __init__(self, ioloop: object) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        super().__init__(receiver, ioloop=ioloop)

    def post(self, call: Callable[[], None]) -> None:
        """Have something called by the loop, soon. Safe from any thread."""
        self._calls.put(call)
        # Full: the loop is about to wake up. Closed: there is no loop any more.
        with suppress(OSError):
            self._sender.send(b"\0")

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        self.recv(4096)
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            try:
                call()
            except Exception:  # noqa: BLE001 - a boundary
                # The loop would close this channel, and never hear of anything again.
                logs.logger.exception("call failed")

    def close(self) -> None:
        self._sender.close()
        super().close()
