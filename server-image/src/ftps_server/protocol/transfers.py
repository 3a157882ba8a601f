"""What goes over a data connection: a file out, a file in, or lines of a listing."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ftps_server.bandwidth import Shaper
from ftps_server.uploads import Upload

ASCII_BYTES = 1 << 16
LISTING_BYTES = 1 << 15
LISTING_SECONDS = 0.002
"""How long a listing is worked on before others get their turn."""


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Transfer:
    """What all of them have in common. Times are monotonic seconds, `moved` is bytes of the file."""

    command: str
    path: str
    """As the user sees it."""
    shaper: Shaper | None = field(default=None, kw_only=True)
    moved: int = field(default=0, init=False)
    ended: bool = field(default=False, init=False)
    """Whether what was read last was all."""
    owner: dict[str, object] = field(default_factory=dict, init=False)
    """Names the session and the user in events."""
    afterwards: Callable[[], None] = field(default=_nothing, init=False)
    """Called when it is over."""
    started: float = field(default_factory=time.monotonic, init=False)

    def begin(self) -> None:
        """The data connection is there."""
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.started


@dataclass(slots=True)
class Download(Transfer):
    """A file, from where `file` stands."""

    file: BinaryIO

    @property
    def remaining(self) -> int:
        """So many bytes there are still."""
        return os.fstat(self.file.fileno()).st_size - self.file.tell()

    def read(self, buffer: memoryview) -> memoryview | bytes | None:
        """The next part, in the buffer or not; nothing at the end; None when others should get their turn first.

        Raises OSError.
        """
        count = os.readv(self.file.fileno(), [buffer])
        self.moved += count
        self.ended = count < len(buffer)
        return buffer[:count]

    def drop(self) -> None:
        """No more is wanted."""
        self.file.close()


@dataclass(slots=True)
class AsciiDownload(Download):
    """The same with TYPE A: a line ends with CRLF (RFC 959, section 3.1.1.1)."""

    ends_with_cr: bool = field(default=False, init=False)

    def read(self, buffer: memoryview) -> memoryview | bytes | None:
        """As in Download."""
        data = bytes(Download.read(self, buffer[:ASCII_BYTES]) or b"")
        if not data:
            return data
        # Lines that end with CRLF already stay as they are, also where two parts meet.
        text = data.replace(b"\r\n", b"\n")
        if self.ends_with_cr and text.startswith(b"\n"):
            converted = b"\n" + text[1:].replace(b"\n", b"\r\n")
        else:
            converted = text.replace(b"\n", b"\r\n")
        self.ends_with_cr = data.endswith(b"\r")
        return converted


@dataclass(slots=True)
class Listing(Transfer):
    """Lines, made while they are sent: a directory may hold very many."""

    lines: Iterator[bytes]

    def read(self, buffer: memoryview) -> memoryview | bytes | None:
        """As in Download."""
        parts: list[bytes] = []
        size, deadline = 0, time.monotonic() + LISTING_SECONDS
        for line in self.lines:
            parts.append(line)
            size += len(line)
            if size >= LISTING_BYTES or time.monotonic() >= deadline:
                self.moved += size
                return b"".join(parts) or None
        self.moved += size
        self.ended = True
        return b"".join(parts)

    def drop(self) -> None:
        """As in Download."""


@dataclass(slots=True)
class Incoming(Transfer):
    """The client sends a file."""

    upload: Upload
    ascii: bool = False
    ends_with_cr: bool = field(default=False, init=False)

    def write(self, data: memoryview) -> None:
        """Store the next part. Raises OSError, QuotaExceededError."""
        self.moved += len(data)
        if self.ascii:
            data = memoryview(self._lines(bytes(data)))
        self.upload.write(data)

    def finish(self) -> None:
        """The file is complete. Raises OSError."""
        if self.ends_with_cr:
            self.ends_with_cr = False
            self.upload.write(memoryview(b"\r"))
        self.upload.commit()

    def drop(self) -> None:
        """The client does not go on now; it may later."""
        self.upload.abandon(keep=True)

    def _lines(self, data: bytes) -> bytes:
        if self.ends_with_cr:
            data = b"\r" + data
        self.ends_with_cr = data.endswith(b"\r")
        if self.ends_with_cr:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n")


Outgoing = Download | Listing
AnyTransfer = Incoming | Outgoing
