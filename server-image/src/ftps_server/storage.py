"""The files: one volume, in it a home directory for each user."""

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
        root = self._root.resolve(strict=True)
        path = root
        for part in PurePosixPath(directory).parts[1:]:
            path /= part
            # One step at a time: nothing is made behind a link that leads out.
            if not path.resolve().is_relative_to(root):
                raise OutsideStorageError(f"{directory} leads out of the storage")
            path.mkdir(mode=0o770, exist_ok=True)
        return path.resolve()
