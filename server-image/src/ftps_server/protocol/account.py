"""A user's rights in pyftpdlib's words."""

from typing import NoReturn

from ftps_server.config import Permissions, UserConfig

# https://pyftpdlib.readthedocs.io/en/latest/api.html#pyftpdlib.authorizers.DummyAuthorizer.add_user
_LETTERS = {Permissions.READ_ONLY: "elr", Permissions.READ_WRITE: "elradfmwMT"}


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
        raise NotImplementedError("passwords are checked in threads; see Session.ftp_PASS")


class Account(NobodyYet):
    """The authorizer of a session that is logged in. It stays as it was at the login."""

    def __init__(self, user: UserConfig) -> None:
        self._letters = _LETTERS[user.permissions]

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in self._letters

    def get_perms(self, username: str) -> str:
        return self._letters
