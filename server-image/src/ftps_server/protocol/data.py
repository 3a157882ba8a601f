"""Data connections. Always encrypted: there is no way to open one in clear."""

import sys
from typing import Any

from OpenSSL import SSL
from pyftpdlib.exceptions import _FileReadWriteError, _RetryError
from pyftpdlib.handlers.ftp.data import DTPHandler
from pyftpdlib.handlers.ftps.data import TLS_DTPHandler
from pyftpdlib.log import logger
from pyftpdlib.utils import strerror

from ftps_server.protocol.datatls import DataTls

HANDSHAKE_SECONDS = 30.0
FAILED_HANDSHAKE = "522 TLS handshake on the data connection failed."  # RFC 4217, section 10.2
_NO_EVENTS = 0


class DataConnection(TLS_DTPHandler):  # type: ignore[misc]
    """One transfer or listing. It becomes the session's `data_channel` when its handshake is done, not before.

    pyftpdlib starts the transfer at once. An empty listing then ends before the handshake has begun, and a handshake
    that fails does so in the middle of sending.
    """

    # asyncore's and pyftpdlib's. The TLS mixin sets these after its base class has closed a connection that is gone
    # already, and that needs them.
    socket: Any
    _closed: bool
    _error = _ssl_want_read = _ssl_want_write = False

    def __init__(self, sock: Any, cmd_channel: Any) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        if not cmd_channel.is_data_protected:
            # PROT C after PASV would get here (a hole of pyftpdlib, which looks at PROT when PASV comes).
            sock.close()
            raise AssertionError("a data connection in clear")
        super().__init__(sock, cmd_channel)
        if not self._closed:
            self._deadline = self.call_later(HANDSHAKE_SECONDS, self.close)

    def secure_connection(self, ssl_context: SSL.Context) -> None:
        self._ssl_requested = self._ssl_accepting = True
        self.socket = DataTls(ssl_context, self.socket)

    @property
    def is_unused(self) -> bool:
        """Whether no command has asked for it yet."""
        return not self._initialized

    def use_sendfile(self) -> bool:
        return False  # pyftpdlib would say so of its own TLS sockets only

    def handle_ssl_established(self) -> None:
        self._deadline.cancel()
        # Till a command tells what for, nothing is read: pyftpdlib closes a connection that has data before that.
        self._wanted_io_events = _NO_EVENTS
        self.modify_ioloop_events(_NO_EVENTS)
        self.cmd_channel.on_data_connection(self)

    def handle_failed_ssl_handshake(self) -> None:
        self.close()

    def enable_receiving(self, type: str, cmd: str) -> None:  # noqa: A002 - pyftpdlib's name
        super().enable_receiving(type, cmd)
        # What came together with the handshake's end is in memory: the loop knows nothing of it.
        self.call_later(0, self.handle_read_event)

    def handle_read_event(self) -> None:
        super().handle_read_event()
        if self.receive and not self._closed and self.socket.ended:
            super().handle_read_event()

    def recv(self, buffer_size: int) -> bytes:
        """Take an upload's end only from the client itself: anybody on the way can end a TCP connection.

        pyftpdlib answers 226 to a truncated upload.
        """
        if not self.receive:
            return bytes(super().recv(buffer_size))
        try:
            # The mixin's own method would turn each kind of end into the same one.
            return bytes(self.socket.recv(buffer_size))
        except SSL.ZeroReturnError:
            self.handle_close()
        except SSL.WantReadError as error:
            self._ssl_want_read = True
            raise _RetryError from error
        except (SSL.Error, OSError):
            self._resp = ("426 Upload cut off: the connection ended without TLS's close_notify.", logger.debug)
            self.close()
        return b""

    def handle_close(self) -> None:
        if self.is_unused:
            self.close()  # without an answer, as nobody waits for one
        else:
            super().handle_close()

    def handle_timeout(self) -> None:
        # A close_notify that nobody takes would keep the connection for good.
        self._error = self._error or self._ssl_closing
        super().handle_timeout()

    def close(self) -> None:
        failed = not (self._closed or self._ssl_established)
        # close_notify means that this was all.
        self._error = self._error or not self.transfer_finished
        super().close()
        if failed:
            # However it came about: the client may be gone without a word.
            self.cmd_channel.on_data_connection_failed(FAILED_HANDSHAKE)

    def handle_error(self) -> None:
        # The TLS mixin's own method answers nothing to the client, who waits.
        error = sys.exc_info()[1]
        if isinstance(error, _FileReadWriteError):
            self._resp = (f"426 {strerror(error.__cause__)}; transfer aborted.", logger.debug)
            self.close()
        else:
            DTPHandler.handle_error(self)
