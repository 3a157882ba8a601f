"""The event loop: one broken channel ends itself, and no other."""

from contextlib import suppress
from typing import Any

from pyftpdlib.ioloop import Epoll

from ftps_server import logs


class EventLoop(Epoll):  # type: ignore[misc]
    """pyftpdlib's. That one guards what a channel reads and writes, but not the questions around it.

    An exception there would end the process, and with it everybody's sessions.
    """

    def poll(self, timeout: float | None) -> None:
        for descriptor, happened in self._poller.poll(-1 if timeout is None else timeout):
            # An earlier one of these may have closed it.
            channel = self.socket_map.get(descriptor)
            if channel is None:
                continue
            try:
                self._dispatch(channel, happened)
            except Exception:  # noqa: BLE001 - a boundary
                logs.logger.exception("channel failed")
                self._drop(descriptor, channel)

    def _dispatch(self, channel: Any, happened: int) -> None:  # noqa: ANN401 - pyftpdlib is untyped
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
