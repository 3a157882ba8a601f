"""Clients that upload and download without pause, and tell of every failure."""

import ftplib
import hashlib
import io
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.servers import PASSWORD
from support.target import Target

SIZES = (1 << 10, 100 << 10, 1 << 20, 8 << 20)
CLIENTS = {"curl": 7, "lftp": 6, "ftplib": 7}


@dataclass
class Figures:
    """What was transferred, there and back, and what went wrong."""

    transfers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLIENTS, 0))
    size: int = 0
    listings: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, client: str, size: int) -> None:
        with self.lock:
            self.transfers[client] += 2
            self.size += 2 * size

    def fail(self, client: str, what: object) -> None:
        with self.lock:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {client}: {what}")

    def __str__(self) -> str:
        by_client = ", ".join(f"{client} {number}" for client, number in self.transfers.items())
        total = sum(self.transfers.values())
        return (
            f"{total} transfers ({by_client}), {self.size / (1 << 20):.0f} MiB,"
            f" {self.listings} listings of a session that stayed open, {len(self.failures)} failures"
        )


@contextmanager
def traffic(target: Target, folder: Path) -> Iterator[Figures]:
    """Twenty clients, and one session that stays open and lists, until the block ends."""
    figures, end = Figures(), threading.Event()
    threads = [
        threading.Thread(target=_repeat, args=(end, figures, target, folder, f"{client}-{number}"))
        for client, numbers in CLIENTS.items()
        for number in range(numbers)
    ]
    threads.append(threading.Thread(target=_list, args=(end, figures, target)))
    for thread in threads:
        thread.start()
    try:
        yield figures
    finally:
        end.set()
        for thread in threads:
            thread.join()


def _repeat(end: threading.Event, figures: Figures, target: Target, folder: Path, name: str) -> None:
    there, back = folder / f"{name}.there", folder / f"{name}.back"
    client = name.partition("-")[0]
    exchange = {"curl": _curl, "lftp": _lftp, "ftplib": _ftplib}[client]
    while not end.is_set():
        size = secrets.choice(SIZES)
        there.write_bytes(secrets.token_bytes(size))
        try:
            exchange(target, f"{name}.bin", there, back)
            assert _digest(there) == _digest(back), f"{back.stat().st_size} of {size} bytes came back, or others"
            figures.count(client, size)
        except (AssertionError, OSError, EOFError, ftplib.Error) as error:
            figures.fail(name, error)
        back.unlink(missing_ok=True)


def _curl(target: Target, name: str, there: Path, back: Path) -> None:
    mode = secrets.choice(("explicit", "implicit"))
    for words in (("--upload-file", str(there)), ("--output", str(back))):
        done = target.curl(mode, name, *words)
        assert done.returncode == 0, done.stderr


def _lftp(target: Target, name: str, there: Path, back: Path) -> None:
    mode = secrets.choice(("explicit", "implicit"))
    done = target.lftp(mode, f"put {there} -o {name}; get {name} -o {back}")
    assert done.returncode == 0, done.stderr


def _ftplib(target: Target, name: str, there: Path, back: Path) -> None:
    with target.session() as session:
        session.login("alice", PASSWORD)
        session.prot_p()
        session.storbinary(f"STOR {name}", io.BytesIO(there.read_bytes()))
        with back.open("wb") as file:
            session.retrbinary(f"RETR {name}", file.write)


def _list(end: threading.Event, figures: Figures, target: Target) -> None:
    """One session, across whatever happens."""
    try:
        with target.session() as session:
            session.login("alice", PASSWORD)
            session.prot_p()
            while not end.wait(0.2):
                session.nlst()
                figures.listings += 1
    except (OSError, EOFError, ftplib.Error) as error:
        figures.fail("the session that stays open", error)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
