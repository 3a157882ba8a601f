"""What a user may do where."""

from pathlib import PurePosixPath

from ftps_server.config import Permissions, UserConfig


class Rights:
    """One user's. They stay as they were at the login."""

    __slots__ = ("_by_directory", "_elsewhere")

    def __init__(self, user: UserConfig) -> None:
        # Without a trailing or a doubled slash, which the configuration may have.
        self._by_directory = {
            "/" + "/".join(PurePosixPath(directory.path).parts[1:]): directory.permissions
            for directory in user.directories
        }
        self._elsewhere = self._by_directory.pop("/", user.permissions)

    def at(self, path: str) -> Permissions:
        """What may be done with the file or directory of a path: what the nearest directory says, itself included.

        The path is the one that is reached, absolute and normal (neither `..` nor doubled slashes); `/` is the home. A
        symbolic link has its own, and what it leads to has another: who follows links asks for that one.
        """
        by_directory = self._by_directory
        if by_directory:
            while path:
                permissions = by_directory.get(path)
                if permissions is not None:
                    return permissions
                path = path[: path.rindex("/")]
        return self._elsewhere
