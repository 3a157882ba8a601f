"""The files: one volume, in it a home directory for each user."""

import os
from pathlib import Path, PurePosixPath


class OutsideStorageError(Exception):
    """A path that leads out of the storage, by a symbolic link."""


class Storage:
    """The volume."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def home(self, directory: str) -> Path:
        """The real path of a home directory, made where it is missing.

        Raises OutsideStorageError, and OSError where it cannot be made.
        """
        root = path = os.path.realpath(self._root, strict=True)
        for part in PurePosixPath(directory).parts[1:]:
            path = os.path.join(path, part)
            # One step at a time: nothing is made behind a link that leads out.
            if os.path.islink(path):
                path = os.path.realpath(path)
                if path != root and not path.startswith(f"{root}/"):
                    raise OutsideStorageError(f"{directory} leads out of the storage")
            if not os.path.isdir(path):
                os.mkdir(path, mode=0o770)
        return Path(path)
