"""Hashes are right, their files closed, and nobody waits for one that is not wanted any more."""

import errno
import hashlib
import io
import os
import queue
import threading
import zlib

import pytest

from ftps_server.checksums import ALGORITHMS, BLOCK_BYTES, MAX_JOBS, THREADS, Checksums
from unit.ftps_server.harness import DEADLINE, wait_for

CONTENT = os.urandom(3 * BLOCK_BYTES + 17)


class Loop:
    """Posted calls are made when they are asked for."""

    def __init__(self):
        self.posted = queue.Queue()
        self.checksums = Checksums(self.posted.put)
        self.answers = []

    def compute(self, file, algorithm="SHA-256", start=0, end=None):
        return self.checksums.compute(file, algorithm, start, end, self.answers.append)

    def answer(self):
        self.posted.get(timeout=DEADLINE)()
        return self.answers[-1]


class Stuck(io.RawIOBase):
    """A file that is being read until it is let go."""

    def __init__(self):
        self.reading, self.released = threading.Semaphore(0), threading.Event()

    def seek(self, *_):
        return 0

    def read(self, _=-1):
        self.reading.release()
        self.released.wait(DEADLINE)
        return b"x"


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.checksums.close()


@pytest.fixture
def busy(loop):
    """Files that take all the threads."""
    files = [Stuck() for _ in range(THREADS)]
    jobs = [loop.compute(file) for file in files]
    for file in files:
        assert file.reading.acquire(timeout=DEADLINE)
    yield list(zip(files, jobs, strict=True))
    for file in files:
        file.released.set()


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    return (tmp_path / "file").open("rb")


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("CRC32", f"{zlib.crc32(CONTENT):08x}"),
        ("MD5", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()),
        ("SHA-1", hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()),
        ("SHA-256", hashlib.sha256(CONTENT).hexdigest()),
        ("SHA-512", hashlib.sha512(CONTENT).hexdigest()),
    ],
)
def test_a_file_is_hashed_and_closed(loop, file, algorithm, digest):
    loop.compute(file, algorithm)
    assert loop.answer() == digest
    assert file.closed


def test_there_are_no_other_algorithms(loop, file):
    assert list(ALGORITHMS) == ["CRC32", "MD5", "SHA-1", "SHA-256", "SHA-512"]
    with pytest.raises(KeyError), file:
        loop.compute(file, "MD4")


def test_the_crc_has_all_its_digits(loop):
    loop.compute(io.BytesIO(b""), "CRC32")
    assert loop.answer() == "00000000"


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 0), (0, 1), (5, 5), (1, BLOCK_BYTES), (BLOCK_BYTES - 1, 2 * BLOCK_BYTES + 1), (10, None), (10**9, None)],
)
def test_a_part_is_hashed(loop, file, start, end):
    loop.compute(file, "SHA-256", start, end)
    assert loop.answer() == hashlib.sha256(CONTENT[start:end]).hexdigest()


def test_what_cannot_be_read_is_an_error(loop, tmp_path):
    unreadable = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb")
    loop.compute(unreadable)
    assert isinstance(loop.answer(), OSError)
    assert unreadable.closed


def test_an_unexpected_error_is_answered_too(loop, file, caplog):
    file.close()
    loop.compute(file)
    assert loop.answer().errno == errno.EIO
    assert "checksum failed" in caplog.text


def test_a_cancelled_job_ends_and_answers_nothing(loop, busy):
    for file, job in busy:
        job.cancel()
        file.released.set()
        wait_for(lambda file=file: file.closed, "the file's end")
    assert loop.posted.empty()


def test_a_cancelled_job_never_begins(loop, busy, file):
    loop.compute(file).cancel()
    assert file.closed


def test_a_job_that_is_cancelled_while_its_answer_is_under_way_answers_nothing(loop, file):
    job = loop.compute(file)
    call = loop.posted.get(timeout=DEADLINE)
    job.cancel()
    call()
    assert loop.answers == []


def test_a_full_queue_is_an_error_until_there_is_room(loop, busy):
    waiting = [loop.compute(io.BytesIO()) for _ in range(MAX_JOBS - THREADS)]
    refused = io.BytesIO()
    loop.compute(refused)
    assert loop.answer().errno == errno.EAGAIN
    assert refused.closed
    waiting[0].cancel()
    loop.compute(io.BytesIO())
    assert loop.posted.empty()


def test_closing_ends_every_job_and_closes_every_file(loop, busy, file):
    loop.compute(file)
    loop.checksums.close()
    assert file.closed
    for stuck, _ in busy:
        stuck.released.set()
        wait_for(lambda stuck=stuck: stuck.closed, "the file's end")
    assert loop.posted.empty()
