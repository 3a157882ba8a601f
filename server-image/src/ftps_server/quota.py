"""How much a home directory holds, and may hold.

What is there is counted once, in a thread, when the first session comes; from then on every session says what it is
about to add and what it has removed. All of them share these figures, so no number of parallel uploads exceeds a quota.
Other processes write to the same volume: now and then everything is counted again.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from ftps_server import logs
from ftps_server.config import Quota

THREADS = 2
"""One counts again what is known, one at least is left for those who wait for their login."""
REFRESH_SECONDS = 300.0
"""How often everything is counted again."""


class _Figure:
    """A number that is kept up to date, and corrected by counts that take a while.

    What was added or removed during a count may be in it or not. So the count tells a lowest and a highest value: a
    number in between is as good as any, and when nobody else writes it is the right one.
    """

    __slots__ = ("_added", "_removed", "value")

    def __init__(self) -> None:
        self.value = self._added = self._removed = 0

    def add(self, number: int) -> None:
        self.value += number
        self._added += number

    def remove(self, number: int) -> None:
        # What others have written was not added here, but may be removed.
        self.value = max(0, self.value - number)
        self._removed += number

    def move(self, number: int) -> None:
        self._added += number
        self._removed += number

    def begin_count(self) -> None:
        self._added = self._removed = 0

    def end_count(self, counted: int, *, first: bool) -> None:
        highest = counted + self._added
        self.value = highest if first else max(0, counted - self._removed, min(self.value, highest))


class _Usage:
    """What one home directory holds."""

    __slots__ = ("bytes", "counted", "counting", "disturbed", "files", "home", "limited", "sessions", "waiting")

    def __init__(self, home: Path) -> None:
        self.home = home
        self.bytes = _Figure()
        self.files = _Figure()
        self.sessions = 0
        self.limited = False
        """Whether anybody has asked for a quota; without, the figures are but the difference since the first login."""
        self.counted = self.counting = self.disturbed = False
        self.waiting: list[Callable[[], None]] = []


class Account:
    """One session's view of what its home directory holds.

    Every regular file below the home counts with its size, one that is still uploaded, too:

    - a new file: `add_file`, and `reserve` before each write. Should it fail, `release` what was reserved and
      `remove_file`;
    - a file that takes the place of another: `reserve` before each write. Right after the rename, `release` the old
      file's bytes. Should there be no old file any more, `add_file` before the rename, and when that is refused do not
      rename: otherwise who deletes the old files meanwhile ends up with any number of them;
    - a file that is deleted: `release` its bytes, `remove_file`;
    - a file that is renamed: `moved`; a directory: `directory_moved`.
    """

    __slots__ = ("_closed", "_usage", "limits")

    def __init__(self, usage: _Usage, limits: Quota) -> None:
        self.limits = limits
        self._usage = usage
        self._closed = False

    @property
    def used_bytes(self) -> int:
        """In all files, with what is reserved."""
        return self._usage.bytes.value

    @property
    def used_files(self) -> int:
        """Regular files."""
        return self._usage.files.value

    @property
    def available_bytes(self) -> int | None:
        """What can be reserved yet; None: no limit."""
        return None if self.limits.bytes is None else max(0, self.limits.bytes - self.used_bytes)

    def reserve(self, bytes: int) -> bool:  # noqa: A002 - what they are
        """Before that much is written. False: it would be too much, nothing is reserved."""
        return _add(self._usage.bytes, bytes, self.limits.bytes)

    def release(self, bytes: int) -> None:  # noqa: A002
        """That much was removed, or not written after all."""
        self._usage.bytes.remove(bytes)

    def add_file(self) -> bool:
        """Before a file is made. False: it would be one too many."""
        return _add(self._usage.files, 1, self.limits.files)

    def remove_file(self) -> None:
        """A file was deleted, or not made after all."""
        self._usage.files.remove(1)

    def moved(self, bytes: int) -> None:  # noqa: A002
        """A file of that size has another name: a count that is under way may see both of them, or none."""
        self._usage.bytes.move(bytes)
        self._usage.files.move(1)

    def directory_moved(self) -> None:
        """Nobody knows what is in it: a count that is under way is worth nothing."""
        self._usage.disturbed = True


class Quotas:
    """The accounts. All methods are called in the loop; `post` brings calls there from any thread."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="quota")
        self._usages: dict[Path, _Usage] = {}
        self._stale: deque[_Usage] = deque()
        self._ended = False

    def open(self, home: Path, quota: Quota, ready: Callable[[Account], None]) -> None:
        """Open an account, which must be closed. `home` is the real path: two names would be two homes.

        `ready` is called at once when there is nothing to count: everything is counted already, or there is no quota.
        Otherwise later, whatever has become of the session meanwhile.
        """
        usage = self._usages.get(home)
        if usage is None:
            usage = self._usages[home] = _Usage(home)
        usage.sessions += 1
        account = Account(usage, quota)
        if usage.counted or (quota.bytes is None and quota.files is None):
            ready(account)
            return
        usage.limited = True
        usage.waiting.append(partial(ready, account))
        if not usage.counting:
            self._count(usage)

    def close(self, account: Account) -> None:
        """Close it; a second time does nothing. What was counted is known until the next refresh.

        So who comes back for each file does not wait for a count each time.
        """
        if account._closed:  # noqa: SLF001 - of this module
            return
        account._closed = True  # noqa: SLF001
        usage = account._usage  # noqa: SLF001
        usage.sessions -= 1
        if not usage.sessions and not usage.counted:
            del self._usages[usage.home]

    def used(self) -> list[tuple[Path, int, int]]:
        """The homes with a quota that are in use, with the bytes and files that they hold. Safe from any thread."""
        usages = list(self._usages.values())
        return [(usage.home, usage.bytes.value, usage.files.value) for usage in usages if usage.counted]

    def refresh(self) -> None:
        """Count everything again, one home after the other, and forget the homes that nobody uses."""
        self._usages = {home: usage for home, usage in self._usages.items() if usage.sessions}
        if not self._stale:
            self._stale.extend(usage for usage in self._usages.values() if usage.limited)
            self._count_next()

    def shutdown(self) -> None:
        """Count nothing any more."""
        self._ended = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _count_next(self) -> None:
        while self._stale:
            usage = self._stale.popleft()
            if usage.sessions and not usage.counting:
                self._count(usage, then=self._count_next)
                return

    def _count(self, usage: _Usage, then: Callable[[], None] = lambda: None) -> None:
        usage.counting, usage.disturbed = True, False
        usage.bytes.begin_count()
        usage.files.begin_count()

        def run() -> None:
            """Runs in a thread."""
            counted = None
            try:
                counted = _measure(usage.home, wanted=lambda: usage.sessions > 0 and not self._ended)
            except Exception:  # noqa: BLE001 - a boundary
                # Whatever it is, somebody waits to be logged in.
                logs.logger.exception("counting failed")
            self._post(lambda: self._on_counted(usage, counted, then))

        self._pool.submit(run)

    def _on_counted(self, usage: _Usage, counted: tuple[int, int] | None, then: Callable[[], None]) -> None:
        usage.counting = False
        # The first count has to do until the next one.
        if counted is not None and not (usage.counted and usage.disturbed):
            usage.bytes.end_count(counted[0], first=not usage.counted)
            usage.files.end_count(counted[1], first=not usage.counted)
            usage.counted = True
        waiting, usage.waiting = usage.waiting, []
        for ready in waiting:
            self._post(ready)  # each by itself: one that fails does not end the others
        then()


def _add(figure: _Figure, number: int, limit: int | None) -> bool:
    if limit is not None and figure.value + number > limit:
        return False
    figure.add(number)
    return True


def _measure(home: Path, *, wanted: Callable[[], bool]) -> tuple[int, int] | None:
    """The bytes and the number of the regular files below a directory. What cannot be read does not count.

    None when it is not wanted any more.
    """
    size = files = 0
    directories = [os.fspath(home)]
    while directories:
        if not wanted():
            return None
        with suppress(OSError), os.scandir(directories.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    with suppress(OSError):  # gone meanwhile
                        size += entry.stat(follow_symlinks=False).st_size
                        files += 1
    return size, files
