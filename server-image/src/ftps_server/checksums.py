"""Hashes of files, computed in threads: a large file takes seconds, in which a loop would serve nobody."""

import errno
import hashlib
import os
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import BinaryIO, Protocol

from ftps_server import logs

THREADS = 2
"""However many sessions ask: more would take the processor from those that transfer."""
MAX_JOBS = 64
"""Who asks while so many are under way, or wait, gets an error."""
BLOCK_BYTES = 512 * 1024
_NICENESS = 10


class Hasher(Protocol):
    """What computes a hash."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


ALGORITHMS: Mapping[str, Callable[[], Hasher]] = MappingProxyType(
    {
        # The first three prove nothing against who means harm; they tell what a transfer has broken.
        "CRC32": _Crc32,
        "MD5": partial(hashlib.md5, usedforsecurity=False),
        "SHA-1": partial(hashlib.sha1, usedforsecurity=False),
        "SHA-256": hashlib.sha256,
        "SHA-512": hashlib.sha512,
    }
)
"""By their names in draft-bryan-ftp-hash."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One hash that is being computed, or waits for it."""

    future: "Future[str | OSError]"
    cancelled: threading.Event

    def cancel(self) -> None:
        """Compute no further; there will be no answer. Called in the loop."""
        self.cancelled.set()
        self.future.cancel()


class Checksums:
    """Computes hashes. `post` brings an answer to where it was asked for."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._jobs: set[Job] = set()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="checksum", initializer=_let_others_go_first)

    def compute(
        self, file: BinaryIO, algorithm: str, start: int, end: int | None, answer: Callable[[str | OSError], None]
    ) -> Job:
        """Hash the bytes of an open file from `start` up to `end`, None for all that follow, and close it.

        `answer` is called in the loop, with the digest in lower-case hexadecimal or what went wrong.
        """
        hasher, cancelled = ALGORITHMS[algorithm](), threading.Event()
        future: Future[str | OSError] = Future()
        if len(self._jobs) >= MAX_JOBS:
            future.set_result(OSError(errno.EAGAIN, "Too many checksums are being computed"))
        else:
            size = sys.maxsize if end is None else end - start
            future = self._pool.submit(_digest, file, hasher, start, size, cancelled)
        job = Job(future, cancelled)

        def finish(_: "Future[str | OSError]") -> None:
            self._jobs.discard(job)
            with suppress(OSError):
                file.close()
            if not cancelled.is_set():
                result = future.result()
                self._post(lambda: None if cancelled.is_set() else answer(result))

        self._jobs.add(job)
        future.add_done_callback(finish)
        return job

    def close(self) -> None:
        """Cancel every job, and take no more."""
        for job in self._jobs.copy():
            job.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _digest(file: BinaryIO, hasher: Hasher, start: int, size: int, cancelled: threading.Event) -> str | OSError:
    """In a thread of the pool."""
    try:
        file.seek(min(start, sys.maxsize))
        while size > 0 and not cancelled.is_set():
            block = file.read(min(size, BLOCK_BYTES))
            if not block:
                break
            hasher.update(block)
            size -= len(block)
    except OSError as error:
        return error
    except Exception:  # noqa: BLE001 - a boundary
        # Whatever it is, who asked must get an answer.
        logs.logger.exception("checksum failed")
        return OSError(errno.EIO, os.strerror(errno.EIO))
    return hasher.hexdigest()


def _let_others_go_first() -> None:
    # Of this thread only: on Linux each has its own.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
