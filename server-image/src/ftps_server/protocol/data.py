"""Data connections. Always encrypted: there is no way to open one in clear."""

from typing import Any

from OpenSSL import SSL
from pyftpdlib.exceptions import _RetryError
from pyftpdlib.handlers.ftps.data import TLS_DTPHandler
from pyftpdlib.log import logger


class DataConnection(TLS_DTPHandler):  # type: ignore[misc]
    """One transfer or listing."""

    def __init__(self, sock: Any, cmd_channel: Any) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        if not cmd_channel.is_data_protected:
            # PROT C after PASV would get here (a hole of pyftpdlib, which looks at PROT when PASV comes).
            sock.close()
            raise AssertionError("a data connection in clear")
        super().__init__(sock, cmd_channel)

    def recv(self, buffer_size: int) -> bytes:
        """Take an upload's end only from the client itself: anybody on the way can end a TCP connection.

        pyftpdlib answers 226 to a truncated upload.
        """
        if not (self.receive and self._ssl_established):
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
            self._error = True  # there is nobody left to shut TLS down with
            self.close()
        return b""
