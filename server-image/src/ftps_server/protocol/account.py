"""A user's rights in pyftpdlib's words."""

import os
from collections.abc import Callable
from typing import NoReturn

from ftps_server.config import Permissions, UserConfig
from ftps_server.permissions import Rights

# https://pyftpdlib.readthedocs.io/en/latest/api.html#pyftpdlib.authorizers.DummyAuthorizer.add_user
_LETTERS = {
    Permissions.NONE: "",
    Permissions.READ_ONLY: "elr",
    Permissions.WRITE_ONLY: "emw",
    Permissions.READ_WRITE: "elradfmwT",
}
_MOVES_AWAY = "df"


class NobodyYet:
    """The authorizer of a session before its login: nothing is allowed."""

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return False

    def get_perms(self, username: str) -> str:
        return ""

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."

    def get_msg_login(self, username: str) -> str:
        return "Logged in."

    def impersonate_user(self, username: str, password: str) -> None:
        """Every user is the same one to the kernel."""

    def terminate_impersonation(self, username: str) -> None:
        """As above."""

    def validate_authentication(self, username: str, password: str, handler: object) -> NoReturn:
        raise NotImplementedError("passwords are checked in threads; see commands/login.py")


class UserRights(NobodyYet):
    """The authorizer of a session that is logged in. It stays as it was at the login."""

    def __init__(self, user: UserConfig, fs2ftp: Callable[[str], str]) -> None:
        """`fs2ftp` tells what the user calls a real path."""
        self._rights = Rights(user)
        self._fs2ftp = fs2ftp
        self.shown = "/"
        """What facts are told of at the moment."""
        self._ruled = [entry.path for entry in user.directories]

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        virtual = self._virtual(path) if path is not None else "/"
        if perm in _MOVES_AWAY and self._holds_a_rule(virtual):
            # Renamed, a directory would take what is in it away from the rules that name it.
            return False
        return perm in _LETTERS[self._rights.at(virtual)]

    def get_perms(self, username: str) -> str:
        return self.letters(self.shown)

    def letters(self, virtual: str) -> str:
        """What may be done in a directory; RFC 3659's facts are made of it."""
        return _LETTERS[self._rights.at(virtual)]

    def may_overwrite(self, path: str) -> bool:
        """Whether an upload may take the place of a file."""
        return self._rights.at(self._virtual(path)) is Permissions.READ_WRITE

    def _virtual(self, path: str) -> str:
        # A link is no way around the rules of what it leads to.
        return self._fs2ftp(os.path.realpath(path) if self._ruled else path)

    def _holds_a_rule(self, virtual: str) -> bool:
        return any(path == virtual or path.startswith(f"{virtual.rstrip('/')}/") for path in self._ruled)
