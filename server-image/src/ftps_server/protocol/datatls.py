"""TLS of data connections, over memory: what TLS sends by itself is held back until there is something to send.

After a TLS 1.3 handshake a server sends session tickets. A client that uploads, never reads, and closes has its kernel
answer unread data by RST, and with that throws away what it has not sent yet: the end of the file. So the tickets go
out together with data, or at the end, together with close_notify.
"""

import socket

from OpenSSL import SSL

CHUNK = 1 << 16


class DataTls:
    """Looks like an OpenSSL.SSL.Connection on a socket that does not block, as far as pyftpdlib uses that."""

    def __init__(self, context: SSL.Context, sock: socket.socket) -> None:
        self._socket = sock
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._output = b""
        self.ended = False
        """Whether the client's close_notify was received, behind the data that `recv` has returned."""

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def do_handshake(self) -> None:
        """Go on with the handshake. Raises what an SSL.Connection does."""
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._receive()
            except SSL.Error:
                self._flush()  # an alert tells the client why
                raise
            else:
                break
        # In TLS 1.3 the client has the last word; what is there to send are tickets.
        if self._tls.get_protocol_version() < SSL.TLS1_3_VERSION:
            self._flush()

    def recv(self, size: int) -> bytes:
        """All data that can be had without waiting, more or less; nobody would tell of what is left in here."""
        del size
        while True:
            data = self._decrypted()
            if data:
                return data
            self._receive()

    def send(self, data: bytes) -> int:
        """Take all of the data, unless earlier data wait for the network still (SSL.WantWriteError)."""
        self._flush()
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.send(rest) :]
        self._encrypted()
        self._write()
        return len(data)

    def shutdown(self) -> bool:
        """Send close_notify, and all that was held back. The client's own is not waited for."""
        if not self._tls.get_shutdown() & SSL.SENT_SHUTDOWN:
            self._tls.shutdown()
        self._flush()
        return True

    def get_shutdown(self) -> int:
        """SSL.SENT_SHUTDOWN, SSL.RECEIVED_SHUTDOWN."""
        return int(self._tls.get_shutdown())

    def set_shutdown(self, state: int) -> None:
        """Pretend."""
        self._tls.set_shutdown(state)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _decrypted(self) -> bytes:
        parts = []
        try:
            while True:
                parts.append(self._tls.recv(CHUNK))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            if not parts:
                raise
            self.ended = True
        return b"".join(parts)

    def _receive(self) -> None:
        try:
            received = self._socket.recv(CHUNK)
        except BlockingIOError:
            raise SSL.WantReadError from None
        except OSError as error:
            raise SSL.SysCallError(error.errno, error.strerror) from error
        if not received:
            raise SSL.SysCallError(-1, "Unexpected EOF")
        self._tls.bio_write(received)

    def _flush(self) -> None:
        self._encrypted()
        self._write()
        if self._output:
            raise SSL.WantWriteError

    def _encrypted(self) -> None:
        """Take over what TLS wants to send."""
        parts = [self._output]
        try:
            while True:
                parts.append(self._tls.bio_read(CHUNK))
        except SSL.WantReadError:
            self._output = b"".join(parts)

    def _write(self) -> None:
        try:
            while self._output:
                self._output = self._output[self._socket.send(self._output) :]
        except BlockingIOError:
            pass
        except OSError as error:
            raise SSL.SysCallError(error.errno, error.strerror) from error
