"""The control connection's channel: pyftpdlib's lines and answers, over TLS of the standard library."""

import ssl
import time
from collections.abc import Callable
from typing import Any

from pyftpdlib.exceptions import _RetryError
from pyftpdlib.handlers.ftp.control import FTPHandler
from pyftpdlib.ioloop import AsyncChat

from ftps_server.logs import warn
from ftps_server.protocol import alpn
from ftps_server.protocol.clienthello import NoClientHelloError, parse
from ftps_server.protocol.tlsstream import TlsStream

RECEIVE_BYTES = 1 << 16
READ_BYTES = 1 << 12
RETRY_SECONDS = 0.05
CLOSE_SECONDS = 30.0
"""How long the last answer waits for a client that does not read."""
MAX_HELD_BYTES = 1 << 13
"""So much of what is sent ahead is kept during a pause; then the client must wait."""
MAX_UNREAD_ANSWERS = 1000
MAX_UNREAD_BYTES = 1 << 20
"""So much waits for a client; who asks on without reading is cut off, before the memory is full."""


class ControlChannel(FTPHandler):  # type: ignore[misc]
    """Lines in, answers out; in clear until `start_tls`."""

    # asyncore's and asynchat's
    socket: Any
    connected: bool
    ac_in_buffer: bytes  # received, but not looked at
    producer_fifo: Any
    _closed: bool
    _closing: bool
    _wanted_io_events: int

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self.tls: TlsStream | None = None
        self.last_active = time.monotonic()
        self._hello: bytes | None = b""
        self._handshake_deadline: Any = None
        self._encrypted: bytes | memoryview = b""
        self._held = b""
        self._paused = False
        self._listens = False
        self._broken = False
        self._overlong = False
        super().__init__(conn, server, ioloop)

    def identification(self) -> dict[str, object]:
        """Names the session in events."""
        raise NotImplementedError

    # TLS

    @property
    def is_encrypted(self) -> bool:
        """Whether commands and answers go over TLS by now."""
        return self.tls is not None and self.tls.established

    @property
    def is_shaking_hands(self) -> bool:
        """Whether nothing can be said, as a handshake is under way."""
        return self.tls is not None and not self.tls.established

    def start_tls(self, context: ssl.SSLContext, seconds: float) -> None:
        """Begin the handshake, behind what was answered already. Who takes longer is cut off."""
        if self.producer_fifo:
            # The kernel had no room for the answer, which must not go inside TLS. Till it has, nothing is read.
            self.pause()
            self._held = b""
            self.call_later(RETRY_SECONDS, self._start_tls_again, context, seconds)
            return
        # What came in clear together with AUTH would be carried out inside TLS, as if the client had protected it:
        # the class of CVE-2011-0411.
        self.ac_in_buffer = b""
        self.tls = TlsStream(context)
        self._handshake_deadline = self.call_later(seconds, self.on_tls_failed, "too slow")

    def _start_tls_again(self, context: ssl.SSLContext, seconds: float) -> None:
        self.resume(self.initiate_send)
        if not self._closed:
            self.start_tls(context, seconds)

    def on_tls_established(self) -> None:
        """Called after the handshake."""

    def on_tls_failed(self, reason: str) -> None:
        """Called when there was none. Nothing can be said any more."""
        warn("handshake failed", reason=reason, **self.identification())
        self.break_off()

    def handle_read(self) -> None:
        if self.tls is not None and not self.tls.established:
            self._shake_hands(self.tls)
            if self._closed or not (self.is_encrypted and self.tls.has_input):
                return
            # The first command came with the handshake's end: nobody would tell of it again.
            self._held = self._decrypted(self.tls) or b""
        if self._listens:
            self._listen()
        else:
            super().handle_read()

    def _shake_hands(self, tls: TlsStream) -> None:
        try:
            received = super().recv(RECEIVE_BYTES)
            if self._closed:
                return
            if self._hello is not None:
                self._hello += received
                hello = parse(self._hello)
                if hello is None:
                    return
                if not alpn.is_acceptable(hello.protocols):
                    self.on_tls_failed("ALPN offers other protocols")
                    return
                received, self._hello = self._hello, None
            tls.receive(received)
            established = tls.handshake()
        except _RetryError:
            return
        except NoClientHelloError:
            self.on_tls_failed("not TLS")
            return
        except ssl.SSLError as error:
            self._send_encrypted(tls)  # an alert tells the client why
            self.on_tls_failed(error.reason or str(error))
            return
        self._send_encrypted(tls)
        if established and not self._closed:
            self._handshake_deadline.cancel()
            self.on_tls_established()

    def recv(self, buffer_size: int) -> bytes:
        if self._held:
            held, self._held = self._held, b""
            return held
        return self._take()

    def _take(self) -> bytes:
        """What has come."""
        received = bytes(super().recv(RECEIVE_BYTES))
        if self.tls is None or self._closed:
            return received
        self.tls.receive(received)
        data = self._decrypted(self.tls)
        if data is None:
            raise _RetryError
        return data

    def _decrypted(self, tls: TlsStream) -> bytes | None:
        """All that can be had; None when more must be received; nothing when the connection has ended."""
        parts = []
        try:
            while data := tls.read(READ_BYTES):
                parts.append(data)
                if not tls.has_more:
                    return b"".join(parts)
        except ssl.SSLError:
            self.break_off()
            return b""
        if data is not None:
            # The client's close_notify. What it asked before is answered.
            self.ioloop.call_later(0, self.close)
        elif not parts:
            return None
        return b"".join(parts)

    def send(self, data: bytes) -> int:
        if self.tls is None:
            return int(super().send(data))
        try:
            self.tls.write(data)
        except ssl.SSLError:
            self.break_off()
            return 0
        self._send_encrypted(self.tls)
        return len(data)

    def _send_encrypted(self, tls: TlsStream) -> None:
        output = tls.take()
        if output:
            self._encrypted = b"".join((self._encrypted, output)) if self._encrypted else output
            self._flush()

    def _flush(self) -> None:
        sent = super().send(self._encrypted)
        if not self._closed:
            self._encrypted = memoryview(self._encrypted)[sent:] if sent < len(self._encrypted) else b""
            if self._encrypted:
                self._want_events()

    def writable(self) -> bool:
        return self.connected and bool(self._encrypted or self.producer_fifo)

    def handle_write(self) -> None:
        if self._encrypted:
            self._flush()
        if not self._closed:
            self.initiate_send()

    def initiate_send(self) -> None:
        # While encrypted answers wait for the network there is no use in encrypting more; nor is this the end then.
        if not self._encrypted:
            super(AsyncChat, self).initiate_send()
        if not self._closed:
            self._want_events()

    def _want_events(self) -> None:
        loop = self.ioloop
        wanted = loop.READ | loop.WRITE if self._encrypted or self.producer_fifo else loop.READ
        # A paused session is not in the loop.
        if wanted != self._wanted_io_events and not self._paused:
            loop.modify(self._fileno, wanted)
            self._wanted_io_events = self._current_io_events = wanted

    # Lines

    def found_terminator(self) -> None:
        if self._closed or self._closing:
            self.ac_in_buffer = b""  # sent behind QUIT, or behind what the session was ended for
            return
        self.last_active = time.monotonic()
        if self._overlong:
            self._overlong = False
            return
        try:
            super().found_terminator()
        except AttributeError:
            # pyftpdlib goes on with a session that ended while it was answered, and has deleted some attributes then.
            if not self._closed:
                raise

    def collect_incoming_data(self, data: bytes) -> None:
        if self._overlong:
            return
        super().collect_incoming_data(data)
        # pyftpdlib answers a line that is too long, forgets it, and takes the rest of it for the next command.
        self._overlong = bool(data) and not self._in_buffer

    def push(self, data: str) -> None:
        if self.is_encrypted and self.connected and not (self._encrypted or self.producer_fifo):
            # An answer with nothing before it needs no queue.
            self.send(data.encode(self.encoding, self.unicode_errors))
            return
        super().push(data)
        if len(self.producer_fifo) > MAX_UNREAD_ANSWERS or len(self._encrypted) > MAX_UNREAD_BYTES:
            warn("answers not read", **self.identification())
            self.break_off()

    def log(self, msg: str, logfun: Any = None) -> None:  # noqa: ANN401
        """Lines of text of pyftpdlib's. Said by an event where it matters."""

    def logline(self, msg: str, logfun: Any = None) -> None:  # noqa: ANN401
        """As above."""

    # Pauses

    def pause(self, *, listens: bool = False) -> None:
        """Take no command until the answer to this one is there; `listens`: but notice ABOR, and the client's end.

        Those that came with it wait, too: a segment full of PASS would be as many attempts at the price of one.
        """
        self._held, self.ac_in_buffer = self.ac_in_buffer, b""
        self._listens = listens
        if not listens:
            self.leave_loop()

    def leave_loop(self) -> None:
        """Hear nothing."""
        self._paused = True
        self._listens = False
        self.del_channel()

    def _listen(self) -> None:
        try:
            self._held += self._take()
        except _RetryError:
            return
        if self._closed:
            return
        if len(self._held) > MAX_HELD_BYTES:
            self.leave_loop()
        if b"ABOR\r\n" in self._held.upper():
            self.on_interrupt()

    def on_interrupt(self) -> None:
        """Called when ABOR comes during a pause. It is carried out after that."""

    def resume(self, answer: Callable[[], None]) -> None:
        """Answer, and go on after `pause`."""
        if self._closed:  # the descriptor may be somebody else's by now
            return
        self._listens = False
        if self._paused:
            self._paused = False
            self.add_channel()
        self._want_events()
        answer()
        self._take_held()

    def _take_held(self) -> None:
        if self._held and not self._closed and not self._paused:
            self.handle_read()

    def guarded(self, call: Callable[[], None]) -> None:
        """Do something that a thread has asked for; should it fail, the session ends as after a failed command."""
        try:
            call()
        except Exception:  # noqa: BLE001 - a boundary
            self.handle_error()

    # The end

    def end(self, text: str) -> None:
        """Answer 421 and go."""
        if self._closed or self._closing:
            return
        if self.is_shaking_hands:
            self.break_off()  # nothing can be said
            return
        self.respond(f"421 {text}")
        self.close_when_done()

    def close_when_done(self) -> None:
        if self._closed:
            return
        if self._encrypted or self.producer_fifo:
            self._closing = True
            self.producer_fifo.append(None)
            # Not for ever: who does not read its answers would keep its place.
            self.call_later(CLOSE_SECONDS, self.close)
        else:
            self.handle_close()

    def break_off(self) -> None:
        """Close without a word: after an error, as an end without close_notify is one, TLS cannot go on."""
        self._broken = True
        self.close()

    def close(self) -> None:
        if not self._closed and self.tls is not None and self.tls.established and not self._broken:
            self._broken = True  # once
            if not self._encrypted:
                self.tls.close_notify()
                self._send_encrypted(self.tls)
        super().close()
