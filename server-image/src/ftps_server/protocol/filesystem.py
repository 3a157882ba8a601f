"""A user's home directory, as pyftpdlib sees it."""

import os
import stat
from typing import Any

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.filesystems import AbstractedFS


class Home(AbstractedFS):  # type: ignore[misc]
    """Nothing outside can be reached. pyftpdlib checks the paths of all commands but of STOU."""

    def open(self, filename: str, mode: str) -> Any:  # noqa: ANN401 - pyftpdlib is untyped
        # Opening a pipe would wait for its other end, and with it every session.
        file = open(filename, mode, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK, 0o666))  # noqa: SIM115
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise FilesystemError("Not a regular file")
        return file

    def mkstemp(self, suffix: str = "", prefix: str = "", dir: str | None = None, mode: str = "wb") -> Any:  # noqa: A002, ANN401
        if dir is None or not self.validpath(dir):
            raise FilesystemError("Outside of the home directory")
        return super().mkstemp(suffix, prefix, dir, mode)

    def chdir(self, path: str) -> None:
        # pyftpdlib would change the process's working directory, and back.
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
        self.cwd = self.fs2ftp(path)
