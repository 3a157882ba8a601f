"""A client that can also do what no client should."""

import ftplib
import random
import socket
import ssl
import struct
import time
from collections import deque
from contextlib import suppress

DEADLINE = 30.0
HOST = "127.0.0.1"
CHUNK = 1 << 16
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
_REMEMBERED_LINES = 40
_RESET = struct.pack("ii", 1, 0)


class Client(ftplib.FTP_TLS):
    """A session. It remembers what was said, for who looks for the cause of a failure."""

    def __init__(
        self, context: ssl.SSLContext, port: int, *, source: str, implicit: bool, resumes: bool, host: str = HOST
    ) -> None:
        """Connect; `resumes` is for data connections."""
        super().__init__(context=context, timeout=DEADLINE)
        self.dialogue: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self.resumes = resumes
        self.extended = False
        """Whether it asks by EPSV where PASV would do."""
        self.resumed = 0
        self.source_address = (source, 0)
        self.host = host
        self.sock = socket.create_connection((host, port), DEADLINE, self.source_address)
        self.af = self.sock.family
        self._note(f"  {self.sock.getsockname()[:2]} to {self.sock.getpeername()[:2]}, resumes: {resumes}")
        try:
            if implicit:
                self.sock = context.wrap_socket(self.sock, server_hostname=host)
                self._prot_p = True
            self.file = self.sock.makefile("r", encoding=self.encoding)
            self.welcome = self.getresp()
        except BaseException:
            self.close()
            raise

    # ftplib's, with a memory

    def putline(self, line: str) -> None:
        self._note(f"> {line}")
        super().putline(line)

    def getline(self) -> str:
        try:
            line = super().getline()
        except Exception as error:
            self._note(f"< {error!r}")
            raise
        self._note(f"< {line}")
        return line

    def _note(self, line: str) -> None:
        self.dialogue.append(f"{time.time() % 1000:.2f} {line}")

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[ssl.SSLSocket, int | None]:
        raw, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.secured(raw), size

    # Data connections

    def secured(self, raw: socket.socket) -> ssl.SSLSocket:
        """TLS on a data connection. An end without close_notify will be an error."""
        session = self.sock.session if self.resumes else None
        try:
            data = self.context.wrap_socket(raw, server_hostname=self.host, session=session, suppress_ragged_eofs=False)
        except OSError as error:
            self._note(f"  data handshake: {error!r}")
            raise
        self.resumed += data.session_reused
        return data

    def makepasv(self) -> tuple[str, int]:
        if self.extended:
            return ftplib.parse229(self.sendcmd("EPSV"), self.sock.getpeername())
        return super().makepasv()

    def connected(self) -> socket.socket:
        """A data connection without TLS."""
        return socket.create_connection(self.makepasv(), DEADLINE, self.source_address)

    def late(self, command: str) -> ssl.SSLSocket:
        """The same as `transfercmd`, but the command comes before the connection."""
        where = self.makepasv()
        answer = self.sendcmd(command)
        assert answer.startswith("1"), answer
        return self.secured(socket.create_connection(where, DEADLINE, self.source_address))

    # Answers

    def answer(self, line: str | None = None) -> str:
        """The answer, whether it is a refusal or not; a line is sent before."""
        try:
            return self.sendcmd(line) if line else self.getresp()
        except ftplib.Error as error:
            return str(error)

    def expect(self, *codes: str, line: str | None = None) -> str:
        """One of these answers."""
        answer = self.answer(line)
        assert answer.startswith(codes), f"{line or 'answered'}: {answer!r}, not {' or '.join(codes)}"
        return answer

    # Ends

    def reset(self) -> None:
        """End by RST."""
        if self.sock is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()


def reset(sock: socket.socket) -> None:
    """Close by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()


def half_close(sock: socket.socket) -> None:
    """Send FIN, without TLS's close_notify, and listen on."""
    socket.socket.shutdown(sock, socket.SHUT_WR)


def drop(sock: socket.socket, rng: random.Random) -> str:
    """End in one of the ways that TLS does not know; which one."""
    how = rng.choice(("reset", "close", "half-close"))
    with suppress(OSError):
        {"reset": reset, "close": socket.socket.close, "half-close": half_close}[how](sock)
    return how


def wait_for_end(sock: socket.socket, seconds: float) -> bytes:
    """What comes until the peer ends the connection, in whatever way. AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    parts = []
    try:
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"not closed within {seconds} s"
            sock.settimeout(left)
            part = sock.recv(CHUNK)
            if not part:
                break
            parts.append(part)
    except TimeoutError:
        raise AssertionError(f"not closed within {seconds} s") from None
    except (OSError, ValueError):
        pass
    return b"".join(parts)
