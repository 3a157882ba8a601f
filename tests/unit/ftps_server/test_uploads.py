"""A file has its name when all of it is there."""

import errno
import os

import pytest

from ftps_server import uploads
from ftps_server.config import Quota
from ftps_server.quota import Quotas
from ftps_server.uploads import KEEP_SECONDS, STAGING, QuotaExceededError, Uploads
from unit.ftps_server.harness import wait_for


@pytest.fixture
def account(tmp_path):
    """Opens the account of the test's home directory."""
    posted = []
    quotas = Quotas(posted.append)

    def open_account(**quota):
        opened = []
        quotas.open(tmp_path, Quota(**quota), opened.append)
        while not opened:
            wait_for(lambda: posted, "the count")
            posted.pop(0)()
        return opened[0]

    yield open_account
    quotas.shutdown()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "file"


@pytest.fixture
def made(tmp_path):
    return Uploads(tmp_path)


def staged(tmp_path):
    return [path.name.partition("-")[0] for path in (tmp_path / STAGING).iterdir()]


def write(upload, content):
    upload.write(memoryview(content))


def test_nothing_is_seen_before_the_commit(made, account, target, tmp_path):
    target.write_bytes(b"old")
    upload = made.begin(str(target), account())
    write(upload, b"new content")
    assert target.read_bytes() == b"old"
    upload.commit()
    assert target.read_bytes() == b"new content"
    assert staged(tmp_path) == []


def test_what_was_cut_off_is_gone_on_with(made, account, target, tmp_path):
    upload = made.begin(str(target), account())
    write(upload, b"0123456789")
    upload.abandon(keep=True)
    assert not target.exists()
    assert made.partial_size(str(target)) == 10
    upload = made.resume(str(target), account(), offset=4)
    write(upload, b"abc")
    upload.commit()
    assert target.read_bytes() == b"0123abc"
    assert (made.partial_size(str(target)), staged(tmp_path)) == (None, [])


def test_an_offset_behind_the_end_is_refused_and_nothing_is_lost(made, account, target):
    upload = made.begin(str(target), account())
    write(upload, b"01234")
    upload.abandon(keep=True)
    with pytest.raises(ValueError, match=r"REST position \(6\) > file size \(5\)"):
        made.resume(str(target), account(), offset=6)
    assert made.partial_size(str(target)) == 5


def test_a_file_that_is_there_is_written_into(made, account, target):
    target.write_bytes(b"0123456789")
    upload = made.resume(str(target), account(), offset=4)
    write(upload, b"abc")
    upload.commit()
    assert target.read_bytes() == b"0123abc789"


def test_two_that_append_lose_nothing_of_each_other(made, account, target):
    target.write_bytes(b"first,")
    opened = account(bytes=100)
    both = [made.resume(str(target), opened, offset=None) for _ in range(2)]
    for number, upload in enumerate(both):
        write(upload, b"line %d," % number)
    for upload in both:
        upload.commit()
    assert target.read_bytes() == b"first,line 0,line 1,"
    assert opened.used_bytes == 20


def test_who_may_not_overwrite_does_not_even_in_a_race(made, account, target):
    upload = made.begin(str(target), account(), overwrite=False)
    write(upload, b"mine")
    target.write_bytes(b"somebody else's")
    with pytest.raises(FileExistsError):
        upload.commit()
    assert target.read_bytes() == b"somebody else's"
    with pytest.raises(FileExistsError):
        made.begin(str(target), account(), overwrite=False)


def test_an_upload_that_exceeds_the_quota_gives_everything_back(made, account, target, tmp_path):
    opened = account(bytes=100, files=1)
    upload = made.begin(str(target), opened)
    write(upload, b"x" * 80)
    with pytest.raises(QuotaExceededError):
        write(upload, b"x" * 21)
    upload.abandon(keep=False)
    assert (opened.used_bytes, opened.used_files, staged(tmp_path)) == (0, 0, [])


def test_a_file_in_the_place_of_another_counts_once(made, account, target):
    opened = account(bytes=100, files=1)
    for size in (60, 40):
        upload = made.begin(str(target), opened)
        write(upload, b"x" * size)
        upload.commit()
        assert (opened.used_bytes, opened.used_files) == (size, 1)


def test_a_disk_that_is_full_leaves_nothing_behind(made, account, target, tmp_path, monkeypatch):
    opened = account(bytes=100)
    upload = made.begin(str(target), opened)

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(uploads.os, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        write(upload, b"content")
    upload.abandon(keep=False)
    assert (opened.used_bytes, opened.used_files, staged(tmp_path)) == (0, 0, [])


def test_what_nobody_goes_on_with_is_swept(made, account, target, tmp_path):
    opened = account(bytes=100)
    upload = made.begin(str(target), opened)
    write(upload, b"content")
    upload.abandon(keep=True)
    written = next((tmp_path / STAGING).iterdir()).stat().st_mtime
    made.sweep(opened, now=written + KEEP_SECONDS)
    assert staged(tmp_path) == ["partial"]
    made.sweep(opened, now=written + KEEP_SECONDS + 1)
    assert (staged(tmp_path), opened.used_bytes, opened.used_files) == ([], 0, 0)


def test_only_regular_files_are_written(made, account, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for begin in (made.begin, lambda path, opened: made.resume(path, opened, offset=None)):
        with pytest.raises(OSError, match=r"regular file|No such device"):
            begin(str(tmp_path / "pipe"), account())
