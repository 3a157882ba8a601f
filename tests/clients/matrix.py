"""What every client has to do, and in which modes."""

import itertools
import secrets
import shutil
import socket
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT = 20
TLS_VERSIONS = ("1.2", "1.3")
# Some clients end a data connection differently that carries little, or nothing.
SIZES = {"large": 300_000, "small": 1, "empty": 0}


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to reach the server."""

    implicit: bool
    tls: str
    active: bool
    ipv6: bool

    @property
    def host(self) -> str:
        return "::1" if self.ipv6 else "127.0.0.1"

    @property
    def scheme(self) -> str:
        return "ftps" if self.implicit else "ftp"

    def __str__(self) -> str:
        words = ("implicit" if self.implicit else "explicit", self.tls, "active" if self.active else "passive")
        return " ".join((*words, "IPv6" if self.ipv6 else "IPv4"))


MODES = [Mode(*each) for each in itertools.product((False, True), TLS_VERSIONS, (False, True), (False, True))]


@dataclass(frozen=True, slots=True)
class Task:
    """Log in, make a directory, upload the files, list it, download them."""

    mode: Mode
    port: int
    user: str
    password: str
    authority: Path
    files: tuple[str, ...]
    folder: Path
    """The client's own disk."""
    directory: str = field(default_factory=lambda: secrets.token_hex(4))
    """The server's."""

    @property
    def url(self) -> str:
        host = f"[{self.mode.host}]" if self.mode.ipv6 else self.mode.host
        return f"{self.mode.scheme}://{host}:{self.port}/{self.directory}"

    @property
    def sent(self) -> Path:
        return self.folder / "sent"

    @property
    def received(self) -> Path:
        return self.folder / "received"

    def prepare(self) -> None:
        """Make the files."""
        self.sent.mkdir()
        self.received.mkdir()
        for name in self.files:
            (self.sent / name).write_bytes(secrets.token_bytes(SIZES[name]))

    def check(self, listed: list[str]) -> None:
        """Assert that what came back is what went there."""
        assert sorted(listed) == sorted(self.files)
        for name in self.files:
            assert (self.received / name).read_bytes() == (self.sent / name).read_bytes(), name


class ClientError(Exception):
    """The client's own words about what failed."""


class Client(ABC):
    """A program or library that people use. Each does the task in its own manner, and verifies the certificate."""

    name: str
    notes: str = ""
    files = tuple(SIZES)
    resuming: tuple[str, ...] = TLS_VERSIONS
    """With which TLS versions each of its data connections resumes the session of the control connection."""

    @abstractmethod
    def version(self) -> str:
        """What the table is about."""

    @abstractmethod
    def perform(self, task: Task) -> list[str]:
        """Do it all in one session; the names that were listed. Raises ClientError."""

    def lacks(self, mode: Mode) -> str | None:  # noqa: ARG002 - some lack none
        """Why a mode cannot be had with this client."""
        return None

    def resumes(self, mode: Mode) -> bool:
        """Whether it can be asked to resume."""
        return mode.tls in self.resuming

    def close(self) -> None:  # noqa: B027 - most have ended already
        """End what was started."""


def missing_here(mode: Mode) -> str | None:
    """Why a mode cannot be had on this machine."""
    if mode.ipv6:
        try:
            socket.create_server((mode.host, 0), family=socket.AF_INET6).close()
        except OSError as error:
            return f"this machine has no IPv6 loopback: {error.strerror}"
    return None


def run(argv: list[str]) -> str:
    """A program's output. Raises ClientError with what it said."""
    assert shutil.which(argv[0]), f"{argv[0]} is missing"
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired as error:
        raise ClientError(f"not done after {TIMEOUT} s; {error.stderr or error.stdout}") from None
    if done.returncode:
        raise ClientError(f"exit code {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout
