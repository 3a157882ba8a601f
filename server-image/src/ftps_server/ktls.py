"""kTLS: the kernel encrypts, so that a file goes from its cache to the network without a copy here.

The handshake is OpenSSL's, in memory. When it has what to send with, it offers that to what it writes to, in the form
that Linux takes it in, as this might be a socket (BIO_set_ktls). Here it is kept instead, and OpenSSL goes on by itself
unless a file is to be sent: then the kernel gets it, and OpenSSL must not encrypt any more.

Where the kernel does not take it (it has no module `tls`, or not this cipher), or does not say that it encrypts, there
is no `Sender`: `sendfile` would send the file in clear.
"""

import ctypes
import errno
import fcntl
import os
import socket
import ssl
import struct
import termios
from contextlib import suppress
from typing import BinaryIO

from ftps_server import openssl

WORTHWHILE_BYTES = 1 << 18
"""To have the kernel encrypt less costs more than it saves."""
ENABLE = 1 << 3
"""`ssl.OP_ENABLE_KTLS`, which Python has from 3.12 on."""

# <linux/tcp.h>, <linux/tls.h>
_TCP_ULP = 31
_SOL_TLS, _TLS_TX, _SET_RECORD_TYPE = 282, 1, 1
_TLS_1_2, _TLS_1_3 = 0x0303, 0x0304
_HEAD = struct.Struct("=HH")  # of struct tls_crypto_info: version, cipher
_IV = slice(_HEAD.size, _HEAD.size + 8)
_NUMBER = slice(-8, None)
_SIZES = {51: 40, 52: 56}
"""Of `struct tls12_crypto_info_aes_gcm_128` and `_256`, by cipher."""
_MAX_SIZE = max(_SIZES.values())

# Of a record of AES-GCM: header, nonce, tag (RFC 5288); header, type, tag (RFC 8446, section 5.2).
_OVERHEAD = {_TLS_1_2: 5 + 8 + 16, _TLS_1_3: 5 + 1 + 16}
_ACKNOWLEDGED = struct.Struct("=120xQ")  # tcpi_bytes_acked of struct tcp_info
_WAITING = struct.Struct("=i")  # of SIOCOUTQ, tcp(7)
# RFC 8446, sections 5.1 and 6
_RECORD_HEADER = struct.Struct("!BHH")
_ALERT, _CLOSE_NOTIFY = b"\x15", b"\x01\x00"

# <openssl/bio.h>
_CALLBACK_CTRL, _CTRL_SET_KTLS = 6, 72
_NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS})
_PROBE = b"0123456789"
_PROBE_SECONDS = 1.0


class Keys:
    """What one connection encrypts with, once its handshake has come so far."""

    __slots__ = ("offered",)

    def __init__(self) -> None:
        self.offered = b""

    def after(self, written: bytes) -> bytes | None:
        """What the kernel is to go on with behind records that were written after the handshake; None if it cannot."""
        version, cipher = _HEAD.unpack(self.offered[: _HEAD.size] or bytes(_HEAD.size))
        if cipher not in _SIZES:
            return None
        info = bytearray(self.offered[: _SIZES[cipher]])
        records = _count(written)
        if version != _TLS_1_3:
            records += 1  # the handshake's end
            # Before TLS 1.3 the nonce is not made of the record's number: it counts by itself, from where OpenSSL's
            # does, and with OpenSSL 3.2 and later from 64 random bits of its own.
            _add(info, _IV, records)
        _add(info, _NUMBER, records)
        return bytes(info)


class Sender:
    """A socket that the kernel encrypts on. Only `take_over` makes one."""

    def __init__(self, sock: socket.socket, info: bytes) -> None:
        self._socket = sock
        self._info = info
        self._taken = 0
        self._before = _given_to_tcp(sock)

    def send(self, file: BinaryIO, size: int) -> int:
        """Send from where the file stands, behind its end close_notify; how much of the file.

        Raises OSError, BlockingIOError when it is to be called again.
        """
        try:
            sent = os.sendfile(self._socket.fileno(), file.fileno(), None, size)
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                raise
            sent = self._send_read(file, size)
        self._taken += sent
        if not sent:
            self._taken += self._socket.sendmsg([_CLOSE_NOTIFY], [(_SOL_TLS, _SET_RECORD_TYPE, _ALERT)])
        return sent

    def _send_read(self, file: BinaryIO, size: int) -> int:
        """Some file systems have no sendfile."""
        at = file.tell()
        data = os.pread(file.fileno(), size, at)
        sent = self._socket.send(data) if data else 0
        file.seek(at + sent)
        return sent

    @property
    def is_drained(self) -> bool:
        """Whether the socket may be closed: the kernel takes records that TCP has no room for yet, and drops them then.

        It does not say so; but TCP has got all when that is as much as was taken, and a fixed size for each record.
        """
        now = self._socket.getsockopt(_SOL_TLS, _TLS_TX, len(self._info))
        records = int.from_bytes(now[_NUMBER]) - int.from_bytes(self._info[_NUMBER])
        version, _ = _HEAD.unpack(now[: _HEAD.size])
        return _given_to_tcp(self._socket) - self._before >= self._taken + records * _OVERHEAD[version]


def handshake(stream: ssl.SSLObject, keys: Keys) -> None:
    """`stream.do_handshake()`, with an ear for the keys. Its context's options must include ENABLE."""
    if _get_wbio is None or _set_callback is None:
        stream.do_handshake()
        return
    bio = _get_wbio(openssl.pointer(stream))
    _listening[bio] = keys
    _set_callback(bio, _listener)
    try:
        stream.do_handshake()
    finally:
        _set_callback(bio, _NOBODY)
        del _listening[bio]


def take_over(sock: socket.socket, keys: Keys, written: bytes) -> Sender | None:
    """Have the kernel encrypt, behind records that were written after the handshake; None where it does not."""
    info = keys.after(written)
    if info is None:
        return None
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_ULP, b"tls")
        sock.setsockopt(_SOL_TLS, _TLS_TX, info)
        proof = sock.getsockopt(_SOL_TLS, _TLS_TX, _HEAD.size)
    except OSError:
        return None
    return Sender(sock, info) if proof == info[: _HEAD.size] else None


def is_supported(context: ssl.SSLContext) -> bool:
    """Whether all of this works here: a connection to oneself tells. The context must be nobody else's."""
    context.options |= ENABLE
    context.verify_mode = ssl.CERT_NONE
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server)
    keys = Keys()
    try:
        for step in (client.do_handshake, lambda: handshake(server, keys)) * 3:
            with suppress(ssl.SSLWantReadError):
                step()
        tickets = to_client.read()
        to_client.write(tickets + _sent_by_kernel(keys, tickets))
        return client.read(len(_PROBE) + 1) == _PROBE and client.read(1) == b""
    except (OSError, struct.error):
        return False


def _sent_by_kernel(keys: Keys, written: bytes) -> bytes:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), _PROBE_SECONDS) as near,
        os.fdopen(os.memfd_create("probe"), "w+b", buffering=0) as file,
    ):
        far, _ = listener.accept()
        with far:
            sender = take_over(far, keys, written)
            if sender is None:
                return b""
            file.write(_PROBE)
            file.seek(0)
            while sender.send(file, len(_PROBE)):
                pass
            if not sender.is_drained:
                return b""
        with near.makefile("rb") as received:
            return received.read()


def _given_to_tcp(sock: socket.socket) -> int:
    # In this order: what is acknowledged in between is missing in both, and no harm.
    (acknowledged,) = _ACKNOWLEDGED.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.size))
    (waiting,) = _WAITING.unpack(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(_WAITING.size)))
    return int(acknowledged + waiting)


def _count(records: bytes) -> int:
    count = 0
    while records:
        _, _, size = _RECORD_HEADER.unpack_from(records)
        records = records[_RECORD_HEADER.size + size :]
        count += 1
    return count


def _add(info: bytearray, field: slice, count: int) -> None:
    size = len(info[field])
    info[field] = ((int.from_bytes(info[field]) + count) % (1 << 8 * size)).to_bytes(size)


_listening: dict[int, Keys] = {}
# BIO_set_callback_ex(3): BIO, operation, data, size, command, argument, result so far, size processed
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_long,
    *(ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t),
    *(ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_void_p),
)
_get_wbio = openssl.function("SSL_get_wbio", ctypes.c_void_p, ctypes.c_void_p)
_set_callback = openssl.function("BIO_set_callback_ex", None, ctypes.c_void_p, _Callback)
_NOBODY = _Callback()


def _listen(bio: int, *rest: int) -> int:
    operation, data, _, command, _, result, _ = rest
    if operation == _CALLBACK_CTRL and command == _CTRL_SET_KTLS:
        _listening[bio].offered = ctypes.string_at(data, _MAX_SIZE)
    return result


_listener = _Callback(_listen)
