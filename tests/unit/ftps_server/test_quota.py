"""Quotas: what a home directory holds, and may hold."""

import os
import queue
import threading

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from ftps_server import quota
from ftps_server.config import Quota
from ftps_server.quota import Account, Quotas
from unit.ftps_server.harness import DEADLINE, wait_for

FREE = Quota()
LIMITED = Quota(bytes=1000, files=10)


class Loop:
    """Calls what is posted to it."""

    def __init__(self):
        self.posted = queue.Queue()
        self.quotas = Quotas(self.posted.put)

    def step(self):
        self.posted.get(timeout=DEADLINE)()

    def open(self, home, limits=LIMITED):
        opened = []
        self.quotas.open(home, limits, opened.append)
        while not opened:
            self.step()
        return opened[0]

    def refresh(self):
        """Until nothing is left to count."""
        self.quotas.refresh()
        while self.quotas._stale or any(usage.counting for usage in self.quotas._usages.values()):
            self.step()


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.quotas.shutdown()


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    (home / "a/b").mkdir(parents=True)
    (home / "one").write_bytes(b"x" * 100)
    (home / "a/b/two").write_bytes(b"x" * 200)
    return home


def test_the_regular_files_below_the_home_count(loop, home, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"x" * 5000)
    (home / "directory").symlink_to(tmp_path / "outside")
    (home / "file").symlink_to(tmp_path / "outside/file")
    (home / "loop").symlink_to(home)
    os.mkfifo(home / "pipe")
    account = loop.open(home)
    assert (account.used_bytes, account.used_files) == (300, 2)
    assert account.available_bytes == 700
    assert account.limits == LIMITED


def test_a_home_that_is_not_there_holds_nothing(loop, tmp_path):
    assert loop.open(tmp_path / "none").used_bytes == 0


def test_what_would_be_too_much_is_refused_and_nothing_reserved(loop, home):
    account = loop.open(home)
    assert account.reserve(700)
    assert not account.reserve(1)
    account.release(100)
    assert not account.reserve(101)
    assert account.reserve(100)
    assert account.available_bytes == 0


def test_files_count_too(loop, home):
    account = loop.open(home)
    assert [account.add_file() for _ in range(9)] == [True] * 8 + [False]
    account.remove_file()
    assert account.add_file()


def test_who_has_no_quota_waits_for_no_count(loop, home):
    opened = []
    loop.quotas.open(home, FREE, opened.append)
    account = opened[0]
    assert account.reserve(1 << 60)
    assert account.add_file()
    assert account.available_bytes is None
    assert loop.posted.empty()


def test_what_is_counted_already_is_there_at_once(loop, home):
    loop.open(home)
    opened = []
    loop.quotas.open(home, LIMITED, opened.append)
    assert opened[0].used_bytes == 300


def test_all_sessions_of_a_home_share_what_it_holds_whatever_their_quotas(loop, home):
    free, small, large = loop.open(home, FREE), loop.open(home, Quota(bytes=400)), loop.open(home, Quota(bytes=1000))
    assert free.reserve(50)
    assert not small.reserve(51)
    assert large.reserve(650)
    assert not small.reserve(1)
    assert free.used_bytes == 1000


def test_what_a_session_without_quota_writes_during_the_first_count_counts(loop, home):
    free = loop.open(home, FREE)
    free.reserve(5000)
    free.release(5000)
    opened = []
    loop.quotas.open(home, LIMITED, opened.append)
    free.reserve(60)
    while not opened:
        loop.step()
    assert opened[0].used_bytes == 360


def test_all_who_wait_for_a_count_get_their_account_also_when_one_of_them_fails(loop, home):
    opened = []
    loop.quotas.open(home, LIMITED, lambda _: 1 / 0)
    loop.quotas.open(home, LIMITED, opened.append)
    loop.step()
    with pytest.raises(ZeroDivisionError):
        loop.step()
    loop.step()
    assert opened[0].used_bytes == 300


def test_a_count_that_fails_lets_nobody_wait(loop, home, monkeypatch, caplog):
    def fail(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(quota, "_measure", fail)
        account = loop.open(home)
    assert "counting failed" in caplog.text
    loop.refresh()
    assert account.used_bytes == 300


def test_a_refresh_finds_what_others_have_written(loop, home):
    account = loop.open(home)
    (home / "three").write_bytes(b"x" * 300)
    (home / "one").unlink()
    loop.refresh()
    assert (account.used_bytes, account.used_files) == (500, 2)


def test_a_refresh_keeps_what_is_reserved_meanwhile(loop, home):
    account = loop.open(home)
    loop.quotas.refresh()
    assert account.reserve(600)
    wait_for(lambda: not loop.posted.empty())
    loop.step()
    assert account.used_bytes == 900
    account.release(600)
    assert account.used_bytes == 300


def test_a_refresh_during_which_a_directory_was_moved_changes_nothing(loop, home):
    account = loop.open(home)
    (home / "three").write_bytes(b"x" * 300)
    loop.quotas.refresh()
    account.directory_moved()
    wait_for(lambda: not loop.posted.empty())
    loop.step()
    assert account.used_bytes == 300
    loop.refresh()
    assert account.used_bytes == 600


def test_a_refresh_goes_through_all_homes(loop, tmp_path):
    homes = [tmp_path / str(number) for number in range(10)]
    accounts = [loop.open(home) for home in homes]
    for home in homes:
        home.mkdir()
        (home / "file").write_bytes(b"x")
    loop.refresh()
    assert [account.used_files for account in accounts] == [1] * 10


def test_a_home_that_nobody_uses_is_known_until_the_next_refresh(loop, home):
    account = loop.open(home)
    loop.quotas.close(account)
    loop.quotas.close(account)
    assert home in loop.quotas._usages
    loop.refresh()
    assert not loop.quotas._usages


def test_a_home_that_nobody_has_counted_is_forgotten_with_its_last_session(loop, home):
    first, second = loop.open(home, FREE), loop.open(home, FREE)
    loop.quotas.close(first)
    loop.quotas.close(first)
    assert home in loop.quotas._usages
    loop.quotas.close(second)
    assert not loop.quotas._usages


def test_a_count_that_nobody_wants_any_more_is_given_up_and_changes_nothing(loop, home, monkeypatch):
    account = loop.open(home)
    scanned, go_on, scandir = threading.Event(), threading.Event(), os.scandir

    def scan(path):
        scanned.set()
        assert go_on.wait(DEADLINE)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    loop.quotas.refresh()
    assert scanned.wait(DEADLINE)
    loop.quotas.close(account)
    go_on.set()
    loop.step()
    assert loop.open(home).used_bytes == 300


class OneHome(RuleBasedStateMachine):
    """Parallel sessions that say what they do, and counts that look at one file at a time meanwhile.

    The quota holds at any time; without another writer, no count makes the figures wrong.
    """

    files = Bundle("files")
    session = st.integers(0, 2)

    def __init__(self):
        super().__init__()
        self.usage = quota._Usage("home")
        self.accounts = [Account(self.usage, Quota(bytes=100, files=4)) for _ in range(3)]
        self.disk = {}
        self.made = 0
        self.seen = None

    @rule(target=files, session=session)
    def make(self, session):
        if not self.accounts[session].add_file():
            assert len(self.disk) == 4
            return multiple()
        self.made += 1
        self.disk[self.made] = 0
        return self.made

    @rule(session=session, file=files, size=st.integers(1, 60))
    def write(self, session, file, size):
        if file in self.disk:
            fits = self.accounts[session].reserve(size)
            assert fits == (sum(self.disk.values()) + size <= 100)
            self.disk[file] += size if fits else 0

    @rule(session=session, file=consumes(files))
    def delete(self, session, file):
        if file in self.disk:
            self.accounts[session].release(self.disk.pop(file))
            self.accounts[session].remove_file()

    @rule(target=files, session=session, file=consumes(files))
    def rename(self, session, file):
        if file not in self.disk:
            return multiple()
        self.made += 1
        self.disk[self.made] = self.disk.pop(file)
        self.accounts[session].moved(self.disk[self.made])
        return self.made

    @rule(session=session, file=consumes(files), replaced=files)
    def replace(self, session, file, replaced):
        if file in self.disk and replaced in self.disk and file != replaced:
            account, old = self.accounts[session], self.disk[replaced]
            self.disk[replaced] = self.disk.pop(file)
            account.moved(self.disk[replaced])
            account.release(old)
            account.remove_file()

    @precondition(lambda self: self.seen is None)
    @rule()
    def begin_count(self):
        self.usage.bytes.begin_count()
        self.usage.files.begin_count()
        self.seen = {}

    @precondition(lambda self: self.seen is not None)
    @rule(file=files)
    def look(self, file):
        if file in self.disk:
            self.seen.setdefault(file, self.disk[file])

    @precondition(lambda self: self.seen is not None)
    @rule()
    def end_count(self):
        for file, size in self.disk.items():
            self.seen.setdefault(file, size)
        self.usage.bytes.end_count(sum(self.seen.values()), first=False)
        self.usage.files.end_count(len(self.seen), first=False)
        self.seen = None

    @invariant()
    def the_figures_are_right_and_within_the_quota(self):
        account = self.accounts[0]
        assert account.used_bytes == sum(self.disk.values()) <= 100
        assert account.used_files == len(self.disk) <= 4
        assert account.available_bytes == 100 - account.used_bytes


TestOneHome = OneHome.TestCase
