"""USER and PASS: passwords are checked in threads, meanwhile the session takes no command."""

from typing import Any

from pyftpdlib.handlers.ftps.control import TLS_FTPHandler

from ftps_server.config import UserConfig
from ftps_server.logs import event, warn
from ftps_server.protocol.account import Account, NobodyYet
from ftps_server.protocol.filesystem import Home
from ftps_server.services import Services
from ftps_server.storage import OutsideStorageError


class PasswordLogin(TLS_FTPHandler):  # type: ignore[misc]
    """A control connection's login."""

    services: Services
    ac_in_buffer: bytes  # asynchat's: received, but not looked at
    abstracted_fs = Home
    authorizer: NobodyYet = NobodyYet()

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self._held = b""
        super().__init__(conn, server, ioloop)

    def identification(self) -> dict[str, object]:
        """Names the session in events."""
        raise NotImplementedError

    def ftp_PASS(self, line: str) -> None:
        if self.authenticated:
            self.respond("503 User already authenticated.")
            return
        if not self.username:
            self.respond("503 Login with USER first.")
            return
        users = self.services.users
        user = users.find(self.username)
        self._pause()
        self.services.passwords.verify(
            user.password_hash if user else None,
            line,
            lambda matches: self._on_verified(user, matches=matches),
            decoy_hash=users.decoy_hash,
        )

    def flush_account(self) -> None:
        self.authorizer = NobodyYet()
        super().flush_account()

    def recv(self, buffer_size: int) -> bytes:
        if self._held:
            held, self._held = self._held, b""
            return held
        return bytes(super().recv(buffer_size))

    def _pause(self) -> None:
        """Take no command until the answer to this one is there.

        Those that came with it wait, too: a segment full of PASS would be as many attempts at the price of one.
        """
        self.del_channel()
        self._held, self.ac_in_buffer = self.ac_in_buffer, b""

    def _resume(self) -> None:
        if self._closed:  # the answer could not be sent; the descriptor may be somebody else's by now
            return
        self.add_channel()
        if self._held:
            self.handle_read()

    def _on_verified(self, user: UserConfig | None, *, matches: bool) -> None:
        if self._closed:
            return
        if user is None or not matches:
            self._count("failed")
            warn("login failed", attempted=self.username[:64], **self.identification())
            self._deny("Authentication failed.")
            return
        try:
            home = self.services.storage.home(user.home_directory)
        except (OutsideStorageError, OSError) as error:
            self._count("error")
            warn("home unusable", error=str(error), attempted=user.name, **self.identification())
            self._deny("Home directory unusable.")
            return
        self.authorizer = Account(user)
        self.handle_auth_success(str(home), "", "Logged in.")
        self._count("ok")
        event("login", **self.identification())
        self._resume()

    def _deny(self, text: str) -> None:
        """Answer after a while: guessing should take long."""
        self.username = ""
        self.call_later(self.auth_failed_timeout, self._answer_denial, text)

    def _answer_denial(self, text: str) -> None:
        self.attempted_logins += 1
        if self.attempted_logins < self.max_login_attempts:
            self.respond(f"530 {text}")
            self._resume()
        else:
            self.add_channel()
            self.respond(f"530 {text} Disconnecting.")
            self.close_when_done()

    def _count(self, outcome: str) -> None:
        self.services.metrics.logins.labels(outcome).inc()
