"""Files on their way in. A file's own name shows it when all of it is there, and not before.

An upload is written in a folder of the home directory that no user sees, and renamed when it is complete. One that was
cut off stays there for a while, so that the client can go on where it was; its quota counts it. Only who goes on with a
file that is there already writes into that file.
"""

import hashlib
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from ftps_server.quota import Account

STAGING = ".ftps-server"
"""The folder's name. Nothing of this name can be seen or made by a user."""
KEEP_SECONDS = 24 * 3600
"""How long what was cut off can be gone on with."""
_FRESH, _PARTIAL = "upload-", "partial-"


class QuotaExceededError(Exception):
    """The text is for the client."""


class Upload:
    """One file on its way in."""

    def __init__(self, descriptor: int, *, target: str, account: Account, position: int, counted: bool) -> None:
        """`counted` says whether the account has counted the file; what is before `position` it has."""
        self.target = target
        self._descriptor = descriptor
        self._account = account
        self._position = position
        self._counted = counted
        self._counted_bytes = position

    def write(self, data: memoryview) -> None:
        """Store the next part. Raises QuotaExceededError, OSError."""
        size = len(data)
        growth = self._growth(size)
        if growth and not self._account.reserve(growth):
            raise QuotaExceededError("Quota exceeded.")
        self._counted_bytes += growth
        while data:
            data = data[os.write(self._descriptor, data) :]
        self._position += size

    def commit(self) -> None:
        """The file is complete. Raises OSError, QuotaExceededError; then it is gone."""
        raise NotImplementedError

    def abandon(self, *, keep: bool) -> None:
        """There will be no more of it; `keep` what there is, so that the client can go on with it later."""
        raise NotImplementedError

    def _growth(self, size: int) -> int:
        return size

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def _give_back(self) -> None:
        self._account.release(self._counted_bytes)
        self._counted_bytes = 0
        if self._counted:
            self._account.remove_file()
            self._counted = False


class StagedUpload(Upload):
    """A new file, or one that takes the place of another."""

    def __init__(
        self,
        descriptor: int,
        *,
        target: str,
        account: Account,
        position: int,
        counted: bool,
        staged: str,
        partial: str,
        overwrite: bool,
    ) -> None:
        super().__init__(descriptor, target=target, account=account, position=position, counted=counted)
        self._staged = staged
        self._partial = partial
        self._overwrite = overwrite

    def commit(self) -> None:
        self._close()
        replaced = file_size(self.target)
        if replaced is None and not self._counted:
            # There was a file of this name at the beginning. Who deletes it meanwhile gets no file for nothing.
            self._counted = self._account.add_file()
            if not self._counted:
                self._discard()
                raise QuotaExceededError("Quota of files exceeded.")
        try:
            if self._overwrite:
                os.rename(self._staged, self.target)
            else:
                os.link(self._staged, self.target)  # raises FileExistsError, which a rename does not
                os.unlink(self._staged)
        except OSError:
            self._discard()
            raise
        self._account.moved(self._position)
        if replaced is not None:
            self._account.release(replaced)
            if self._counted:
                self._account.remove_file()
        _forget(self._partial, self._account)

    def abandon(self, *, keep: bool) -> None:
        if self._descriptor < 0:
            return
        self._close()
        if not (keep and self._position and self._keeps_a_file()):
            self._discard()
            return
        replaced = file_size(self._partial)
        with suppress(OSError):
            os.rename(self._staged, self._partial)
            self._account.moved(self._position)
            if replaced is not None:
                self._account.release(replaced)
                self._account.remove_file()

    def _keeps_a_file(self) -> bool:
        """Whether there may be one more file than there was, if it is one more."""
        self._counted = self._counted or self._account.add_file()
        return self._counted

    def _discard(self) -> None:
        with suppress(OSError):
            os.unlink(self._staged)
        self._give_back()


class AppendingUpload(Upload):
    """Goes on with a file that is there. What was written stays, whatever happens."""

    def __init__(self, descriptor: int, *, target: str, account: Account, position: int, at_end: bool) -> None:
        """`at_end`: each part is written where the file ends then, as others may append to it, too."""
        super().__init__(descriptor, target=target, account=account, position=position, counted=False)
        self._at_end = at_end
        self._before = self._size = os.fstat(descriptor).st_size
        self._counted_bytes = 0

    def commit(self) -> None:
        self._close()

    def abandon(self, *, keep: bool) -> None:  # noqa: ARG002 - it is kept anyway
        if self._descriptor >= 0:
            written = os.fstat(self._descriptor).st_size - self._before
            # The last part may not have found room.
            self._account.release(max(0, self._counted_bytes - written))
            self._close()

    def _growth(self, size: int) -> int:
        if self._at_end:
            return size
        end = self._position + size
        growth = max(0, end - self._size)
        self._size = max(self._size, end)
        return growth


class Uploads:
    """Begins uploads to a home directory. Paths are real ones."""

    def __init__(self, home: Path) -> None:
        self._folder = f"{home}/{STAGING}"

    def begin(self, target: str, account: Account, *, overwrite: bool = True) -> Upload:
        """A whole file. Raises OSError, QuotaExceededError."""
        partial = self._partial(target)
        if os.path.lexists(target):
            if not overwrite:
                raise FileExistsError(17, "File exists")
            if not stat.S_ISREG(os.stat(target).st_mode):
                raise IsADirectoryError(21, "Not a regular file")
            # Till it takes the other's place it is one more, as a count would have it. At the limit it is none.
            counted = account.add_file()
        else:
            os.stat(os.path.dirname(target))  # raises where the file could not have its name
            # Who begins anew will not go on with it, and might have no room for both.
            _forget(partial, account)
            counted = _count(account)
        staged = f"{self._folder}/{_FRESH}{secrets.token_hex(16)}"
        try:
            descriptor = self._create(staged)
        except OSError:
            if counted:
                account.remove_file()
            raise
        return StagedUpload(
            descriptor,
            target=target,
            account=account,
            position=0,
            counted=counted,
            staged=staged,
            partial=partial,
            overwrite=overwrite,
        )

    def resume(self, target: str, account: Account, *, offset: int | None, overwrite: bool = True) -> Upload:
        """A part of a file, from an offset, None for its end: of what was cut off, else of the file that is there.

        What a file has behind the part stays; of what was cut off it goes, as it may be of another version of the file.
        Raises ValueError for an offset behind the end, OSError, QuotaExceededError.
        """
        if not os.path.lexists(target) and self.partial_size(target) is not None:
            return self._resume_partial(target, account, offset, overwrite=overwrite)
        if offset is None and not os.path.lexists(target):
            return self.begin(target, account, overwrite=overwrite)
        if not overwrite:
            raise FileExistsError(17, "File exists")
        at_end = os.O_APPEND if offset is None else 0
        descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | at_end)
        try:
            position = _seek(descriptor, offset)
        except (OSError, ValueError):
            os.close(descriptor)
            raise
        return AppendingUpload(descriptor, target=target, account=account, position=position, at_end=offset is None)

    def partial_size(self, target: str) -> int | None:
        """How much there is of an upload that was cut off."""
        return file_size(self._partial(target))

    def sweep(self, account: Account, *, now: float) -> None:
        """Remove what nobody will go on with, and what a server that died has left. `now` is as of time.time()."""
        with suppress(OSError):
            for entry in os.scandir(self._folder):
                with suppress(OSError):
                    found = entry.stat()
                    if now - found.st_mtime > KEEP_SECONDS:
                        os.unlink(entry.path)
                        account.release(found.st_size)
                        account.remove_file()

    def _resume_partial(self, target: str, account: Account, offset: int | None, *, overwrite: bool) -> Upload:
        partial = self._partial(target)
        # Under a name of its own: nobody else goes on with it meanwhile.
        staged = f"{self._folder}/{_FRESH}{secrets.token_hex(16)}"
        descriptor = -1
        try:
            os.rename(partial, staged)
            account.moved(file_size(staged) or 0)
            descriptor = os.open(staged, os.O_WRONLY | os.O_CLOEXEC)
            size = os.fstat(descriptor).st_size
            position = _seek(descriptor, offset)
            os.ftruncate(descriptor, position)
            account.release(size - position)
        except (OSError, ValueError):
            if descriptor >= 0:
                os.close(descriptor)
            with suppress(OSError):
                os.rename(staged, partial)
                account.moved(file_size(partial) or 0)
            raise
        return StagedUpload(
            descriptor,
            target=target,
            account=account,
            position=position,
            counted=True,
            staged=staged,
            partial=partial,
            overwrite=overwrite,
        )

    def _create(self, staged: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(staged, flags, 0o666)
        except FileNotFoundError:
            with suppress(FileExistsError):
                os.mkdir(self._folder, mode=0o770)
            return os.open(staged, flags, 0o666)

    def _partial(self, target: str) -> str:
        return f"{self._folder}/{_PARTIAL}{hashlib.sha256(os.fsencode(target)).hexdigest()[:32]}"


def file_size(path: str) -> int | None:
    """The size of a regular file; None where there is none, but maybe a link to one."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _forget(partial: str, account: Account) -> None:
    """Remove what was cut off: its rest would make no whole of it any more."""
    size = file_size(partial)
    if size is not None:
        with suppress(OSError):
            os.unlink(partial)
            account.release(size)
            account.remove_file()


def _count(account: Account) -> bool:
    if not account.add_file():
        raise QuotaExceededError("Quota of files exceeded.")
    return True


def _seek(descriptor: int, offset: int | None) -> int:
    size = os.fstat(descriptor).st_size
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise IsADirectoryError(21, "Not a regular file")
    if offset is not None and offset > size:
        raise ValueError(f"REST position ({offset}) > file size ({size})")
    return os.lseek(descriptor, size if offset is None else offset, os.SEEK_SET)
