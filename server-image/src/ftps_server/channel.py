"""A socket in the event loop, without what pyftpdlib's own channels carry along for chats of lines."""

import socket
from collections.abc import Callable
from contextlib import suppress

from ftps_server import logs
from ftps_server.eventloop import EventLoop

READ: int = EventLoop.READ
WRITE: int = EventLoop.WRITE
NOTHING = 0


class Channel:
    """Waits for what `watch` was told. Subclasses say what to do then.

    The loop asks `readable` and `writable` before it calls; `bulk` says that others go first.
    """

    bulk = False

    def __init__(self, loop: EventLoop, sock: socket.socket) -> None:
        self.loop = loop
        self.socket = sock
        self._fileno = sock.fileno()  # under this name pyftpdlib's loop looks for it
        self._watched: int | None = None
        self.closed = False

    def watch(self, events: int) -> None:
        """Wait for READ, WRITE, both, or nothing but the end of the connection."""
        if self._watched is None:
            self.loop.register(self._fileno, self, events)
        elif events != self._watched:
            self.loop.modify(self._fileno, events)
        self._watched = events

    def pause(self, seconds: float, resume: Callable[[], None]) -> None:
        """Hear nothing for a while."""
        self.forget()

        def wake() -> None:
            if not self.closed:
                resume()

        self.loop.call_later(seconds, wake)

    @property
    def is_paused(self) -> bool:
        """Whether it hears nothing."""
        return self._watched is None

    def hand_over(self, successor: "Channel") -> None:
        """Leave the socket to another channel, and the place in the loop: it hears of what was watched here."""
        self.closed = True
        successor._watched, self._watched = self._watched, None  # noqa: SLF001 - of this class
        if not successor.is_paused:
            self.loop.replace(self._fileno, successor)

    def forget(self) -> None:
        """Leave the loop, with the socket open."""
        if self._watched is not None:
            self._watched = None
            self.loop.unregister(self._fileno)

    def readable(self) -> bool:
        """Whether there is something to do when the socket can be read."""
        return True

    def writable(self) -> bool:
        """Whether there is something to do when the socket can be written."""
        return True

    def handle_read_event(self) -> None:
        """Called when the socket can be read."""

    def handle_write_event(self) -> None:
        """Called when the socket can be written."""

    def handle_close(self) -> None:
        """Called when the connection has broken."""
        self.close()

    def handle_error(self) -> None:
        """Called within the handler of an exception."""
        logs.logger.exception("channel failed")
        self.close()

    def close(self) -> None:
        """Close the socket."""
        if not self.closed:
            self.closed = True
            if self._watched is not None:
                self._watched = None
                self.loop.forget_closing(self._fileno)
            with suppress(OSError):
                self.socket.close()
