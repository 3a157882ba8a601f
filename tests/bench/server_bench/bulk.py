"""Large files, at so little cost for the client that the server is the limit.

curl is measured beside it, as people use it. It is no measure of a server: it waits for up to a second where a server
begins the TLS handshake of a data connection only after RETR or STOR.
"""

import mmap
import selectors
import ssl
import subprocess
from collections.abc import Sequence
from contextlib import suppress
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
    """A file on its way. TLS is done in memory: one system call for many records."""

    def __init__(self, session: Session, name: str) -> None:
        self._received = 0
        self.session = session
        self.raw = session.transfer(f"RETR {name}")
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._data = session.context.wrap_bio(self._incoming, self._outgoing, session=session.offered())
        self._shake_hands()

    def take(self, buffer: bytearray, opened: bytearray) -> bool:
        """Take what is there; False at the end."""
        count = self.raw.recv_into(buffer)
        if not count:
            return False
        with memoryview(buffer) as view:
            self._incoming.write(view[:count])
        with suppress(ssl.SSLWantReadError):
            while read := self._data.read(CHUNK, opened):
                self._received += read
            # Some wait for us to close after their close_notify.
            return False
        return True

    def finish(self) -> int:
        """Hear from the server that it was all, and say how much."""
        self.raw.close()
        self.session.expect("226")
        return self._received

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
                return


def download(sessions: Sequence[Session], name: str, *, times: int) -> int:
    """All sessions get the file at the same time, each so many times. Returns how many bytes came."""
    buffer, opened = bytearray(CHUNK), bytearray(CHUNK)
    received = 0
    with selectors.DefaultSelector() as selector:

        def begin(session: Session, left: int) -> None:
            if left:
                following = _Download(session, name)
                selector.register(following.raw, selectors.EVENT_READ, (following, left - 1))

        for session in sessions:
            begin(session, times)
        while selector.get_map():
            ready = selector.select(TIMEOUT)
            if not ready:
                raise TimeoutError(f"nothing came in {TIMEOUT:.0f} s")
            for key, _ in ready:
                current, left = key.data
                if not current.take(buffer, opened):
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
