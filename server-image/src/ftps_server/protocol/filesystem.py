"""A user's home directory, as pyftpdlib sees it."""

import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.filesystems import AbstractedFS

from ftps_server.quota import Account
from ftps_server.uploads import STAGING, file_size

SORTED_ENTRIES = 10_000
"""A listing of more is not sorted: that would keep all others waiting."""
ENTRIES_A_STEP = 500
_HIDDEN = f"/{STAGING}"


class Home(AbstractedFS):  # type: ignore[misc]
    """Nothing outside can be reached, nor what is on its way in."""

    account: Account
    """What counts for the quota; set at the login."""

    # Paths

    def validpath(self, path: str) -> bool:
        # `root` is a real path, as it was resolved at the login: only what is below it may lead elsewhere.
        root = self.root.rstrip("/")
        if path != self.root and not path.startswith(f"{root}/"):
            return False
        current = root
        for part in path[len(root) + 1 :].split("/"):
            if part == STAGING:
                return False
            current = f"{current}/{part}"
            if os.path.islink(current):
                real = os.path.realpath(path)
                return real == self.root or (real.startswith(f"{root}/") and _HIDDEN not in real)
        return True

    def fs2ftp(self, fspath: str) -> str:
        # What comes here was checked before; pyftpdlib would resolve every link once more.
        root = self.root
        if fspath == root:
            return "/"
        if root == "/":
            return fspath
        return fspath[len(root) :] if fspath.startswith(f"{root}/") else "/"

    # Files

    def open(self, filename: str, mode: str) -> BinaryIO:
        # Opening a pipe would wait for its other end, and with it every session.
        descriptor = os.open(filename, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FilesystemError("Not a regular file")
        return os.fdopen(descriptor, "rb", buffering=0)

    def mkstemp(self, suffix: str = "", prefix: str = "", dir: str | None = None, mode: str = "wb") -> Any:  # noqa: A002, ANN401
        raise NotImplementedError("uploads are begun by Uploads")

    def remove(self, path: str) -> None:
        size = file_size(path) if not os.path.islink(path) else None
        super().remove(path)
        self._gone(size)

    def rename(self, src: str, dst: str) -> None:
        replaced = file_size(dst) if src != dst else None
        super().rename(src, dst)
        self._gone(replaced)
        size = file_size(dst)
        if size is None:
            self.account.directory_moved()
        else:
            self.account.moved(size)

    def chdir(self, path: str) -> None:
        # pyftpdlib would change the process's working directory, and back.
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        self.cwd = self.fs2ftp(path)

    def _gone(self, size: int | None) -> None:
        if size is not None:
            self.account.release(size)
            self.account.remove_file()

    # Listings

    def listdir(self, path: str) -> list[str]:
        return [name for name in super().listdir(path) if name != STAGING]

    def names(self, path: str) -> Iterator[str | None]:
        """The names in a directory, sorted unless there are very many. None: others should get their turn first.

        Raises OSError at the first step.
        """
        found: list[str] = []
        with os.scandir(path) as entries:
            yield None
            for number, entry in enumerate(entries, 1):
                if entry.name != STAGING:
                    found.append(entry.name)
                if number % ENTRIES_A_STEP == 0:
                    yield None
        if len(found) <= SORTED_ENTRIES:
            found.sort()
        yield from found
