"""Large files, at so little cost for the client that the server is the limit.

curl is measured beside it, as people use it. It is no measure of a server: it waits for up to a second where a server
begins the TLS handshake of a data connection only after RETR or STOR.
"""

import mmap
import selectors
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.server_bench.clients import CHUNK, CIPHER, TIMEOUT, Session, in_threads
from bench.server_bench.passwords import NAME, PASSWORD
from bench.server_bench.scene import HOST

_CURL = (
    *("curl", "--silent", "--show-error", "--ssl-reqd", "--insecure", "--user", f"{NAME}:{PASSWORD}"),
    *("--tlsv1.3", "--tls-max", "1.3", "--tls13-ciphers", CIPHER),
)


class CurlError(Exception):
    """What curl says."""


class _Download:
    """A file on its way, thrown away by the kernel as it comes.

    To decrypt it would take the client as long as it takes the server to encrypt it: that was the limit, and all
    servers looked the same. That what comes is the file is checked before, by a client that decrypts.
    """

    def __init__(self, session: Session, name: str, size: int) -> None:
        self._size = size
        self._received = 0
        self.session = session
        self.raw = session.transfer(f"RETR {name}")
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._data = session.context.wrap_bio(self._incoming, self._outgoing, session=session.offered())
        self._shake_hands()

    def take(self, buffer: bytearray) -> bool:
        """Take what is there; False at the end."""
        count = self.raw.recv_into(buffer, CHUNK, socket.MSG_TRUNC)
        before, self._received = self._received, self._received + count
        if before < self._size - CHUNK <= self._received:
            self._wake_at(1)
        if before < self._size <= self._received:
            # Records are larger than what is in them: the rest is on its way. Some wait for our end before theirs.
            self.raw.shutdown(socket.SHUT_WR)
        return count > 0

    def finish(self) -> int:
        """Hear from the server that it was all, and say how much."""
        self.raw.close()
        self.session.expect("226")
        return min(self._received, self._size)

    def _shake_hands(self) -> None:
        while True:
            try:
                self._data.do_handshake()
            except ssl.SSLWantReadError:
                self.raw.sendall(self._outgoing.read())
                self._incoming.write(self.raw.recv(CHUNK))
            else:
                self.raw.sendall(self._outgoing.read())
                self.session.shaken(self._data)
                self._received = self._incoming.pending
                self._wake_at(CHUNK)
                return

    def _wake_at(self, size: int) -> None:
        """To be woken for each packet would cost the sender more than the packet, where machines are virtual."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


def download(sessions: Sequence[Session], name: str, *, size: int, times: int) -> int:
    """All sessions get the file at the same time, each so many times. Returns how many bytes of it came."""
    buffer = bytearray(CHUNK)
    received = 0
    with selectors.DefaultSelector() as selector:

        def begin(session: Session, left: int) -> None:
            if left:
                following = _Download(session, name, size)
                selector.register(following.raw, selectors.EVENT_READ, (following, left - 1))

        for session in sessions:
            begin(session, times)
        while selector.get_map():
            ready = selector.select(TIMEOUT)
            if not ready:
                raise TimeoutError(f"nothing came in {TIMEOUT:.0f} s")
            for key, _ in ready:
                current, left = key.data
                if not current.take(buffer):
                    selector.unregister(key.fileobj)
                    received += current.finish()
                    begin(current.session, left)
    return received


def upload(sessions: Sequence[Session], source: Path, *, times: int) -> list[str]:
    """All sessions put the file at the same time, each so many times. Returns the names it got."""
    names = [[f"up-{number}-{time}" for time in range(times)] for number in range(len(sessions))]
    waiting = iter(zip(sessions, names, strict=True))
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:

        def put() -> None:
            session, own = next(waiting)
            for name in own:
                session.upload(name, content)

        in_threads(len(sessions), put)
    return [name for own in names for name in own]


def curl_download(port: int, name: str) -> None:
    _curl("--output", "/dev/null", _url(port, name))


def curl_upload(port: int, source: Path, name: str) -> None:
    _curl("--upload-file", str(source), _url(port, name))


def _curl(*arguments: str) -> None:
    result = subprocess.run([*_CURL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        raise CurlError(result.stderr.strip())


def _url(port: int, name: str) -> str:
    return f"ftp://{HOST}:{port}/{name}"
