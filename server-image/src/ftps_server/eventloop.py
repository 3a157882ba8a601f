"""The event loop: one broken channel ends itself, and no other; one busy channel waits for all others."""

from contextlib import suppress
from typing import Any

from pyftpdlib.ioloop import Epoll

from ftps_server import logs


class EventLoop(Epoll):  # type: ignore[misc]
    """pyftpdlib's, with two differences.

    That one guards what a channel reads and writes, but not the questions around it: an exception there would end the
    process, and with it everybody's sessions.

    A channel that is `bulk` (a transfer in full flow) gets its turn when every other channel had its own, and one such
    channel at a time: who sends NOOP waits for one turn, however many transfers there are.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bulk: dict[int, int] = {}
        """What happened on channels that wait for their turn, the longest waiting first."""

    def poll(self, timeout: float | None) -> None:
        bulk = self._bulk
        if bulk:
            timeout = 0
        elif timeout is None:
            timeout = -1
        for descriptor, happened in self._poller.poll(timeout):
            # An earlier one of these may have closed it.
            channel = self.socket_map.get(descriptor)
            if channel is None:
                continue
            if getattr(channel, "bulk", False):
                bulk[descriptor] = happened
            else:
                self._guard(descriptor, channel, happened)
        if bulk:
            descriptor = next(iter(bulk))
            self._guard(descriptor, self.socket_map[descriptor], bulk.pop(descriptor))

    def unregister(self, fd: int) -> None:
        # The descriptor may be another channel's soon.
        self._bulk.pop(fd, None)
        super().unregister(fd)

    def forget_closing(self, fd: int) -> None:
        """As `unregister`, for a descriptor that is closed next: the kernel forgets it by itself then (epoll(7))."""
        self._bulk.pop(fd, None)
        self.socket_map.pop(fd, None)

    def replace(self, fd: int, channel: Any) -> None:  # noqa: ANN401
        """Have another channel told of what happens on a descriptor."""
        self.socket_map[fd] = channel

    def _guard(self, descriptor: int, channel: Any, happened: int) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        try:
            self._dispatch(channel, happened)
        except Exception:  # noqa: BLE001 - a boundary
            logs.logger.exception("channel failed")
            self._drop(descriptor, channel)

    def _dispatch(self, channel: Any, happened: int) -> None:  # noqa: ANN401
        if happened & self._ERROR and not happened & self.READ:
            channel.handle_close()
            return
        if happened & self.READ and channel.readable():
            _guarded(channel, channel.handle_read_event)
        if happened & self.WRITE and channel.writable():
            _guarded(channel, channel.handle_write_event)

    def _drop(self, descriptor: int, channel: Any) -> None:  # noqa: ANN401
        with suppress(Exception):
            channel.handle_error()
        if self.socket_map.get(descriptor) is channel:
            self.unregister(descriptor)
            with suppress(Exception):
                channel.socket.close()


def _guarded(channel: Any, handle: Any) -> None:  # noqa: ANN401
    try:
        handle()
    except Exception:  # noqa: BLE001 - as asyncore does
        channel.handle_error()
