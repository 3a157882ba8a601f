"""kTLS: the kernel encrypts a download by itself, so that the file goes from its cache to the network without a copy.

That takes TLS over the socket, not over memory, and a kernel with the module `tls`. Where it is missing, nothing here
is used. And `sendfile` is used only when the kernel has said of this very connection that it encrypts: on any other it
would send the file in clear.
"""

import errno
import os
import select
import socket
import ssl
import struct
from contextlib import suppress
from typing import Protocol

from ftps_server.channel import NOTHING, READ, WRITE
from ftps_server.protocol import data
from ftps_server.protocol.clienthello import ClientHello
from ftps_server.protocol.expectation import HANDSHAKE_FAILED, NOT_RESUMED, Begun
from ftps_server.protocol.matching import is_acceptable
from ftps_server.protocol.tlsstream import TlsStream
from ftps_server.protocol.transfers import AnyTransfer, Download, Incoming, Outgoing

WORTHWHILE_BYTES = 1 << 20
"""Below that a second look at ClientHello costs more than it saves."""
_ENABLE = 1 << 3
"""`ssl.OP_ENABLE_KTLS`, which Python has from 3.12 on."""
_SOL_TLS, _TLS_TX = 282, 1
_INFO = struct.Struct("=HH")
"""`struct tls_crypto_info` of <linux/tls.h>: version, cipher."""
_PROBE_SECONDS = 1.0
_ENCRYPTED_BYTES = 1 << 16
"""A turn's share where OpenSSL encrypts."""
_NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


class KernelStream(TlsStream):
    """TLS over a socket, which it takes. Raises OSError also where the connection has broken."""

    __slots__ = ("socket",)

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        context.options |= _ENABLE
        self.socket = context.wrap_socket(
            sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        self._tls = self.socket  # type: ignore[assignment]  # the methods are the same
        self.established = False

    @property
    def is_kernels(self) -> bool:
        """Whether the kernel says that it encrypts what goes out."""
        try:
            version, cipher = _INFO.unpack(self.socket.getsockopt(_SOL_TLS, _TLS_TX, _INFO.size))
        except (OSError, struct.error):
            return False
        return bool(version and cipher)

    def take(self) -> bytes:
        """Nothing: OpenSSL has sent it."""
        return b""

    def send(self, data: bytes) -> int:
        """Encrypt and send. After ssl.SSLWantWriteError the same data must be sent again."""
        return self.socket.write(data)

    def say_end(self) -> None:
        """Send close_notify. After ssl.SSLWantWriteError it must be said again."""
        try:
            self.socket.unwrap()
        except ssl.SSLWantWriteError:
            raise
        except ssl.SSLError:
            pass  # the peer's own word is not waited for


class Session(data.Session, Protocol):
    """What it asks of its control connection beside."""

    def kernel_stream(self, sock: socket.socket) -> KernelStream:
        """TLS over a socket, in the session's own context. Raises OSError."""


class KernelConnection(data.DataConnection):
    """The data connection of a download."""

    _session: Session
    _stream: KernelStream | None
    _plain = b""
    """What OpenSSL was not rid of."""
    _sends_files = False
    _has_said_end = False

    # The handshake

    def begin(self, begun: Begun, hello: ClientHello) -> None:
        """Do over the socket what was tried in memory: ClientHello has not been taken from it."""
        try:
            stream = self._session.kernel_stream(self.socket)
        except OSError:
            self._fail_handshake(HANDSHAKE_FAILED)  # the client is gone
        else:
            self.socket = stream.socket
            super().begin(Begun(stream, b""), hello)

    def _shake_hands(self, stream: TlsStream) -> None:
        events = READ
        try:
            established = stream.handshake()
        except ssl.SSLWantWriteError:
            established, events = False, WRITE
        except OSError:
            self._fail_handshake(HANDSHAKE_FAILED)
            return
        if established:
            self._establish(stream)
        elif is_acceptable(self._expectation, Begun(stream, b"")):
            self.watch(events)
        else:
            self._fail_handshake(NOT_RESUMED)

    @property
    def is_kernels(self) -> bool:
        """Whether the kernel encrypts."""
        return self._stream is not None and self._stream.is_kernels

    # The transfer

    def start(self, transfer: AnyTransfer) -> None:
        """Transfer a file, then close."""
        self._sends_files = type(transfer) is Download and self.is_kernels
        super().start(transfer)

    def handle_write_event(self) -> None:
        stream, transfer = self._stream, self.transfer
        if stream is not None and not stream.established:
            self._shake_hands(stream)
        elif self._ending and stream is not None:
            self._finish(stream)
        elif stream is not None and transfer is not None and not isinstance(transfer, Incoming):
            self._send_part(stream, transfer)
        else:
            self.watch(NOTHING)

    def _send_part(self, stream: TlsStream, outgoing: Outgoing) -> None:
        try:
            if self._sends_files and isinstance(outgoing, Download):
                count = self._send_file(outgoing)
            else:
                count = self._encrypt(outgoing)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return
        except (ConnectionError, ssl.SSLError):
            self.handle_close()
        except OSError as error:
            self._end(f"426 {error.strerror or error}; transfer aborted.")
        else:
            if count is not None:
                self._touch()
                self._ending = count == 0
                self._throttle(count)

    def _send_file(self, download: Download) -> int | None:
        size = len(self._turn(self._buffers.plain))
        try:
            count = os.sendfile(self.socket.fileno(), download.file.fileno(), None, size)
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
            self._sends_files = False  # not from this file system
            return None
        download.moved += count
        return count

    def _encrypt(self, outgoing: Outgoing) -> int | None:
        """Send the next part; its size, 0 at the end, None when others should get their turn first."""
        assert self._stream is not None  # noqa: S101 - for mypy
        part = self._plain or outgoing.read(self._turn(self._buffers.plain)[:_ENCRYPTED_BYTES])
        if not part:
            return None if part is None else 0
        # The buffer is another's in the next turn.
        self._plain = bytes(part)
        count = self._stream.send(self._plain)
        self._plain = self._plain[count:]
        return count

    # The end

    def _finish(self, stream: KernelStream) -> None:
        """Say that this was all, and close when the kernel can send again.

        It may have taken records that it had no place for in the socket's buffer, and would drop them at the close.
        """
        if self._has_said_end:
            self._end(None)
            return
        try:
            stream.say_end()
        except ssl.SSLWantWriteError:
            return
        except OSError:
            self.handle_close()
        else:
            self._has_said_end = True

    def handle_close(self) -> None:
        if self._has_said_end:
            self._end(None)  # the client need not wait for more
        else:
            super().handle_close()


def is_worthwhile(begun: Begun, transfer: AnyTransfer | None) -> bool:
    """Whether a handshake that was tried in memory is to be done over the socket, for the transfer that waits for it.

    It comes out the same way there: it resumes, or need not.
    """
    # The kernel was tried with AES-GCM. Before TLS 1.3 the cipher is known by now when a session is resumed.
    if not begun.unread or "GCM" not in begun.stream.cipher or type(transfer) is not Download:
        return False
    return os.fstat(transfer.file.fileno()).st_size - transfer.file.tell() >= WORTHWHILE_BYTES


def is_supported(context: ssl.SSLContext) -> bool:
    """Whether OpenSSL and the kernel can do it: a handshake with oneself tells. Changes the context."""
    context.verify_mode = ssl.CERT_NONE
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname(), _PROBE_SECONDS)
            with client_context.wrap_socket(near, do_handshake_on_connect=False) as client:
                far, _ = listener.accept()
                far.setblocking(False)
                client.setblocking(False)
                stream = KernelStream(context, far)
                with stream.socket as server:
                    _take_turns(client, server)
                    return stream.is_kernels
    except OSError:
        return False


def _take_turns(client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
    for end in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
        select.select([server if end is client else client], [], [], _PROBE_SECONDS)
