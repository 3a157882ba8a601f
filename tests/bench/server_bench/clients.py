"""A client that costs little: blocking sockets, TLS 1.3, nothing checked but what a measurement must be sure of."""

import mmap
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from bench.server_bench.passwords import NAME, PASSWORD
from bench.server_bench.scene import HOST

CIPHER = "TLS_AES_256_GCM_SHA384"
TIMEOUT = 20.0
CHUNK = 256 * 1024

Buffer = bytes | mmap.mmap


class ReplyError(Exception):
    """A server answered something else."""


def tls_context() -> ssl.SSLContext:
    """TLS 1.3 only; the certificate is the benchmark's own, and is not checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class Session:
    """A control connection, logged in, with PROT P."""

    def __init__(self, port: int, context: ssl.SSLContext, *, resume: bool = True) -> None:
        self.resumed = 0
        """Data connections that resumed the control connection's TLS session."""
        self.context = context
        self._resume = resume
        self._rest = b""
        self._socket: socket.socket = _connect(port)
        self.expect("220")
        self.command("AUTH TLS", "234")
        secure = context.wrap_socket(self._socket)
        self._socket = self._control = secure
        self.cipher = (secure.cipher() or ("none",))[0]
        self.command(f"USER {NAME}", "331")
        self.command(f"PASS {PASSWORD}", "230")

    def protect(self) -> "Session":
        """Have data connections encrypted, and files unchanged."""
        self.command("PBSZ 0", "200")
        self.command("PROT P", "200")
        self.command("TYPE I", "200")
        return self

    def command(self, line: str, expected: str) -> str:
        self._socket.sendall(f"{line}\r\n".encode())
        return self.expect(expected)

    def upload(self, name: str, content: Buffer) -> None:
        data = self._secured(f"STOR {name}")
        with memoryview(content) as view:
            for start in range(0, len(view), CHUNK):
                data.sendall(view[start : start + CHUNK])
        _finish(data)
        self.expect("226")

    def download(self, command: str) -> int:
        """Of `RETR name` or `LIST`: how many bytes came."""
        data = self._secured(command)
        total = 0
        while received := len(data.recv(CHUNK)):
            total += received
        data.close()
        self.expect("226")
        return total

    def quit(self) -> None:
        self.command("QUIT", "221")
        self.close()

    def close(self) -> None:
        self._socket.close()

    def transfer(self, command: str) -> socket.socket:
        """Begin one: its data connection, before the TLS handshake."""
        port = int(self.command("EPSV", "229").rsplit("|", 2)[1])
        raw = _connect(port)
        self.command(command, "1")
        return raw

    def offered(self) -> ssl.SSLSession | None:
        """The TLS session that a data connection should resume."""
        return self._control.session if self._resume else None

    def shaken(self, data: ssl.SSLSocket | ssl.SSLObject) -> None:
        """Take note of how a data connection's handshake went."""
        self.resumed += bool(data.session_reused)
        # Where the server refuses once, offering would only cost both sides.
        self._resume = bool(data.session_reused)

    def expect(self, code: str) -> str:
        line = self._line()
        if line[3:4] == "-":
            end = f"{line[:3]} "
            while not line.startswith(end):
                line = self._line()
        if not line.startswith(code):
            raise ReplyError(f"{line!r}, not {code}")
        return line

    def _secured(self, command: str) -> ssl.SSLSocket:
        data = self.context.wrap_socket(self.transfer(command), session=self.offered())
        self.shaken(data)
        return data

    def _line(self) -> str:
        while b"\n" not in self._rest:
            received = self._socket.recv(4096)
            if not received:
                raise ReplyError("the server closed the connection")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")


def _connect(port: int) -> socket.socket:
    raw = socket.create_connection((HOST, port), timeout=TIMEOUT)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def _finish(data: ssl.SSLSocket) -> None:
    """End a sending connection so that the server gets all: close_notify, FIN, and nothing left unread.

    Closing over unread bytes (TLS 1.3 tickets) would send a reset, which destroys what the server has not read yet.
    """
    data.settimeout(0)
    with suppress(ssl.SSLError):
        data.unwrap()
    raw = socket.socket(fileno=data.detach())
    raw.settimeout(TIMEOUT)
    with suppress(OSError):
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(4096):
            pass
    raw.close()


def in_threads(count: int, work: Callable[[], None]) -> None:
    """Do the same in so many threads; raise what one of them raises."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            failures.append(error)

    threads = [threading.Thread(target=guarded, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def wait_until_serving(port: int, check: Callable[[], None], seconds: float = 30.0) -> None:
    """Until it greets. `check` raises if it never will."""
    deadline = time.monotonic() + seconds
    while True:
        check()
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1) as raw:
            if raw.recv(4096).startswith(b"220"):
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"no greeting on port {port} in {seconds} s")
        time.sleep(0.02)
