"""Data connections. Always encrypted: there is no way to open one in clear.

The socket and TLS know nothing of each other: one call of the kernel moves up to `turn_bytes`, which TLS then encrypts
or decrypts in memory. That is twice as fast as a TLS socket, which makes two calls for each record of 16 KiB.
"""

import errno
import socket
import ssl
import time
from contextlib import suppress
from typing import Protocol

from ftps_server import ktls
from ftps_server.channel import NOTHING, READ, WRITE, Channel
from ftps_server.eventloop import EventLoop
from ftps_server.protocol import alpn
from ftps_server.protocol.buffers import Buffers
from ftps_server.protocol.clienthello import ClientHello
from ftps_server.protocol.expectation import HANDSHAKE_FAILED, NOT_RESUMED, Begun, Expectation
from ftps_server.protocol.matching import is_acceptable
from ftps_server.protocol.tlsstream import TlsStream
from ftps_server.protocol.transfers import AnyTransfer, Download, Incoming, Outgoing
from ftps_server.uploads import QuotaExceededError

CUT_OFF = "426 Upload cut off: the connection ended without TLS's close_notify."
CLOSED = "426 The client has closed the data connection."
TOO_SLOW = "426 No data for too long; transfer aborted."
DRAIN_POLL_SECONDS = 0.01


class Session(Protocol):
    """What a data connection asks of its control connection."""

    ioloop: EventLoop
    peer_certificate: bytes | None

    def on_data_connection(self, connection: "DataConnection") -> None:
        """The handshake is done."""

    def on_transfer_end(self, connection: "DataConnection", transfer: AnyTransfer, failure: str | None) -> None:
        """A transfer has ended; `failure` is the answer to a client whose transfer has not succeeded."""

    def on_data_connection_lost(self, connection: "DataConnection") -> None:
        """It ended before a command asked for it."""


class DataConnection(Channel):
    """One transfer or listing. It becomes the session's when its handshake is done, not before."""

    def __init__(
        self,
        session: Session,
        arrival: Channel,
        expectation: Expectation,
        *,
        buffers: Buffers,
        handshake_seconds: float,
        transfer_seconds: float,
    ) -> None:
        """The handshake must be done in time; a transfer that moves nothing for a time is ended."""
        super().__init__(session.ioloop, arrival.socket)
        arrival.hand_over(self)
        self._session = session
        self._expectation = expectation
        self._buffers = buffers
        self._stream: TlsStream | None = None
        self._unsent: memoryview | bytes = b""
        self.transfer: AnyTransfer | None = None
        """What is under way."""
        self.sender: ktls.Sender | None = None
        """The kernel, when it encrypts that."""
        self._ending = False
        self._seconds = transfer_seconds
        self._deadline = time.monotonic() + handshake_seconds
        expectation.try_out(self)

    # The handshake

    def begin(self, begun: Begun, hello: ClientHello) -> None:
        """Go on with a handshake whose ClientHello was received."""
        self._stream = begun.stream
        if not alpn.is_acceptable(hello.protocols):
            self._fail_handshake(HANDSHAKE_FAILED)
            return
        self._unsent = begun.output
        self._flush()
        if self.closed:
            return
        if not self._unsent:
            self.watch(READ)
        if begun.stream.established:
            self._establish(begun.stream)

    def _shake_hands(self, stream: TlsStream) -> None:
        received = self._receive(self._buffers.encrypted)
        if received is None:
            return
        if not received:
            self._fail_handshake(HANDSHAKE_FAILED)
            return
        stream.receive(received)
        try:
            established = stream.handshake()
        except ssl.SSLError:
            self._send_handshake(stream)  # an alert tells the client why
            self._fail_handshake(HANDSHAKE_FAILED)
            return
        if established:
            self._establish(stream)
        else:
            # Not before this is known to be the owner, or a ticket would be handed out.
            output = stream.take()
            if is_acceptable(self._expectation, Begun(stream, output)):
                self._unsent = b"".join((self._unsent, output))
                self._flush()
            else:
                self._fail_handshake(NOT_RESUMED)

    def _establish(self, stream: TlsStream) -> None:
        if not is_acceptable(self._expectation, Begun(stream, b"")):
            self._fail_handshake(NOT_RESUMED)
        elif self._session.peer_certificate != stream.peer_certificate_der():
            # As vsftpd does it: who shows a certificate shows the same one here.
            self._fail_handshake("522 The data connection must show the control connection's client certificate.")
        elif not self._expectation.fulfil(self):
            self.close()  # too late
        else:
            if stream.version != "TLSv1.3":
                # In TLS 1.3 the client has the last word. Should OpenSSL have tickets to send then, they wait for data
                # to go with, or for close_notify: a client that uploads and never reads (lftp) has its kernel answer
                # them by RST when it closes, and with that throws away what it has not sent yet, the end of the file.
                self._send_handshake(stream)
            if self.closed:
                return
            self._deadline = float("inf")
            self._session.on_data_connection(self)
            if self.transfer is None and not self._is_gone():
                # Till a command tells what for, nothing is read.
                self.watch(NOTHING)

    def _is_gone(self) -> bool:
        return self.closed

    def _send_handshake(self, stream: TlsStream) -> None:
        if self.closed:
            return
        self._unsent = b"".join((self._unsent, stream.take()))
        self._flush()

    def _fail_handshake(self, answer: str) -> None:
        self._expectation.blame(answer)
        self.close()

    @property
    def reused(self) -> bool:
        """Whether it has resumed the control connection's TLS session."""
        return self._stream is not None and self._stream.reused

    # The transfer

    def start(self, transfer: AnyTransfer) -> None:
        """Transfer something, then close."""
        self.transfer = transfer
        self.bulk = True
        self._touch()
        if isinstance(transfer, Incoming):
            self._begin_to_receive()
        else:
            if type(transfer) is Download:
                self._hand_over(transfer)
            self.handle_write_event()
            if not self.closed and not self.is_paused:
                self.watch(WRITE)

    def _begin_to_receive(self) -> None:
        if self._stream is None:
            return
        if self._stream.has_input:
            # It came together with the handshake's end: the loop knows nothing of it.
            self._decrypt()
        else:
            # Nor need it be asked where all of a small file is there.
            self._receive_part(self._stream)
        if self.closed or self.is_paused:
            return
        # The server has nothing to say for a while. To wait for that (40 ms) with an acknowledgement would hold up the
        # end of a small file: a client's kernel (Nagle) waits with that for the acknowledgement.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.watch(READ)

    def _hand_over(self, download: Download) -> None:
        """Have the kernel encrypt a file, if it can."""
        if self._stream is None or self._stream.keys is None or download.remaining < ktls.WORTHWHILE_BYTES:
            return
        written = self._stream.take()
        self._unsent = b"".join((self._unsent, written))
        self._flush()
        if not self._unsent and not self.closed:
            self.sender = ktls.take_over(self.socket, self._stream.keys, written)

    def handle_read_event(self) -> None:
        if self._stream is None:
            return
        if not self._stream.established:
            self._shake_hands(self._stream)
        elif isinstance(self.transfer, Incoming):
            self._receive_part(self._stream)

    def handle_write_event(self) -> None:
        if self._unsent:
            self._flush()
        if self._unsent or self.closed:
            return
        if self._ending and self.sender is not None and not self.sender.is_drained:
            self.pause(DRAIN_POLL_SECONDS, lambda: self.watch(WRITE))
        elif self._ending:
            self._end(None)
        elif self._stream is not None and self.transfer is not None and not isinstance(self.transfer, Incoming):
            self._send_part(self._stream, self.transfer)
        elif self.transfer is None:
            self.watch(READ if self._stream is not None and not self._stream.established else NOTHING)

    def _send_part(self, stream: TlsStream, outgoing: Outgoing) -> None:
        if self.sender is not None and isinstance(outgoing, Download):
            self._send_file(self.sender, outgoing)
            return
        try:
            data = outgoing.read(self._turn(self._buffers.plain))
            if data is None:
                return
            if data:
                stream.write(data)
            if outgoing.ended:
                self._ending = True
                stream.close_notify()
        except OSError as error:
            self._end(f"426 {error.strerror or error}; transfer aborted.")
            return
        self._unsent = stream.take()
        self._flush()
        if self._ending and not self._unsent and not self.closed:
            self._end(None)
        else:
            self._throttle(len(data))

    def _send_file(self, sender: ktls.Sender, download: Download) -> None:
        try:
            count = sender.send(download.file, len(self._turn(self._buffers.plain)))
        except BlockingIOError:
            return
        except OSError as error:
            self._end(f"426 {error.strerror or error}; transfer aborted.")
        else:
            download.moved += count
            self._touch()
            self._ending = count == 0
            if count:
                self._throttle(count)

    def _receive_part(self, stream: TlsStream) -> None:
        received = self._receive(self._turn(self._buffers.encrypted))
        if received is None:
            return
        if not received:
            self._end(CUT_OFF)
            return
        stream.receive(received)
        self._decrypt()

    def _decrypt(self) -> None:
        stream, incoming = self._stream, self.transfer
        if stream is None or not isinstance(incoming, Incoming):
            return
        plain = self._buffers.plain
        moved, ended, count = 0, False, len(plain)
        try:
            while not ended and count == len(plain):
                count, ended = stream.read_into(plain)
                if count:
                    incoming.write(plain[:count])
                    moved += count
            if ended:
                incoming.finish()
        except QuotaExceededError as error:
            self._end(f"552 {error}")
        except ssl.SSLError:
            self._end("426 TLS error; transfer aborted.")
        except OSError as error:
            # What would not mend by itself should not look as if it did: some clients try a 4xx again for ever.
            code = 452 if error.errno in {errno.ENOSPC, errno.EDQUOT} else 550 if ended else 426
            self._end(f"{code} {error.strerror or error}; transfer aborted.")
        else:
            self._throttle(moved)
            if ended:
                self._end(None)

    def _turn(self, buffer: memoryview) -> memoryview:
        shaper = self.transfer.shaper if self.transfer is not None else None
        return buffer if shaper is None else buffer[: shaper.quantum]

    def _throttle(self, count: int) -> None:
        shaper = self.transfer.shaper if self.transfer is not None else None
        if shaper is None:
            return
        delay = shaper.spend(count)
        if delay > 0:
            events = READ if isinstance(self.transfer, Incoming) else WRITE
            self._deadline += delay
            self.pause(delay, lambda: self.watch(events))

    # The socket

    def _receive(self, buffer: memoryview) -> memoryview | None:
        """What has come; None when nothing has; nothing at all at the end."""
        try:
            count = self.socket.recv_into(buffer)
        except BlockingIOError:
            return None
        except OSError:
            return buffer[:0]
        self._touch()
        return buffer[:count]

    def _flush(self) -> None:
        """Send as much as the kernel takes, and wait for it to take more."""
        try:
            # The last part waits for close(), and goes in one packet with the end: the client is woken up once.
            sent = self.socket.send(self._unsent, socket.MSG_MORE if self._ending else 0) if self._unsent else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._unsent = b""
            self.handle_close()
            return
        if sent:
            self._touch()
        if sent < len(self._unsent):
            self._unsent = memoryview(self._unsent)[sent:]
            self.watch(self._watched_with_write())
        else:
            self._unsent = b""

    def _watched_with_write(self) -> int:
        return WRITE if self.transfer is not None else READ | WRITE

    def _touch(self) -> None:
        if self.transfer is not None:
            self._deadline = time.monotonic() + self._seconds

    # The end

    def sweep(self, now: float) -> None:
        """End what takes too long."""
        if now < self._deadline or self.closed:
            return
        if self.transfer is not None:
            self._end(TOO_SLOW)
        else:
            self._fail_handshake(HANDSHAKE_FAILED)

    # What pyftpdlib's STAT tells.

    @property
    def tot_bytes_sent(self) -> int:
        """So far."""
        return 0 if self.transfer is None or isinstance(self.transfer, Incoming) else self.transfer.moved

    @property
    def tot_bytes_received(self) -> int:
        """So far."""
        return self.transfer.moved if isinstance(self.transfer, Incoming) else 0

    def get_elapsed_time(self) -> float:
        """In seconds."""
        return 0.0 if self.transfer is None else round(self.transfer.seconds, 1)

    def transfer_in_progress(self) -> bool:
        """Whether a transfer is under way."""
        return self.transfer is not None

    def handle_close(self) -> None:
        """Called when the connection has broken."""
        if self._stream is not None and not self._stream.established:
            self._fail_handshake(HANDSHAKE_FAILED)
        elif self.transfer is not None:
            self._end(CUT_OFF if isinstance(self.transfer, Incoming) else CLOSED)
        else:
            self.close()
            self._session.on_data_connection_lost(self)

    def handle_error(self) -> None:
        if self.transfer is None:
            super().handle_error()
            self._session.on_data_connection_lost(self)
        else:
            self._end("426 Internal error; transfer aborted.")

    def _end(self, failure: str | None) -> None:
        """Close, and have the client answered."""
        transfer, self.transfer = self.transfer, None
        if transfer is None:
            return
        stream = self._stream
        if isinstance(transfer, Incoming):
            if failure is None and stream is not None:
                # With the tickets that were held back.
                stream.close_notify()
                with suppress(OSError):  # who has sent close_notify need not listen any more
                    self.socket.send(stream.take(), socket.MSG_MORE)  # as in _flush
            else:
                transfer.upload.abandon(keep=failure in {CUT_OFF, TOO_SLOW})
        else:
            transfer.drop()
            with suppress(OSError):
                # What is left unread makes the kernel send RST, and the client lose what is on its way.
                self.socket.recv_into(self._buffers.encrypted)
        self.close()
        self._session.on_transfer_end(self, transfer, failure)

    def abort(self) -> None:
        """End a transfer without an answer."""
        transfer, self.transfer = self.transfer, None
        if transfer is not None:
            transfer.drop()
        self.close()
