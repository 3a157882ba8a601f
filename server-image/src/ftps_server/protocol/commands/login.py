"""USER, PASS, REIN: passwords are checked in threads, meanwhile the session takes no command."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from ftps_server.clientcertificates import certificate_name
from ftps_server.config import UserConfig
from ftps_server.logs import event, warn
from ftps_server.protocol.account import NobodyYet, UserRights
from ftps_server.protocol.commands.protection import ProtectionCommands
from ftps_server.protocol.filesystem import Home
from ftps_server.quota import Account
from ftps_server.storage import OutsideStorageError
from ftps_server.uploads import Uploads


class _RefusedError(Exception):
    pass


class LoginCommands(ProtectionCommands):
    """A session with a user, once it is logged in."""

    authorizer: NobodyYet | UserRights = NobodyYet()
    fs: Any
    username: str
    authenticated: bool
    remote_ip: str

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self.user: UserConfig | None = None
        self.uploads: Uploads | None = None
        self.peer_certificate: bytes | None = None
        """What the client has shown, in DER."""
        self._account: Account | None = None
        super().__init__(conn, server, ioloop)

    def on_tls_established(self) -> None:
        super().on_tls_established()
        if self.tls is not None:
            self.peer_certificate = self.tls.peer_certificate_der()

    def ftp_USER(self, line: str) -> None:
        if not self.is_encrypted:
            self.respond("530 Not without TLS: send AUTH TLS first.")
            return
        if self.authenticated:
            self.flush_account()
        self.username = line
        user = self.services.users.find(line)
        if user is not None and self._is_proven(user):
            self.pause()
            self._enter(user, "232 Logged in by client certificate.")
        else:
            self.respond("331 Username ok, send password.")

    def _is_proven(self, user: UserConfig) -> bool:
        """Whether the client's certificate, which TLS has verified, is this user's."""
        if user.client_certificate is None or self.tls is None:
            return False
        user_from = self.services.config.tls.client_auth.user_from
        return certificate_name(self.tls.peer_certificate(), user_from) == user.client_certificate

    def ftp_PASS(self, line: str) -> None:
        if not self.is_encrypted:
            self.respond("530 Not without TLS: send AUTH TLS first.")
        elif self.authenticated:
            self.respond("503 User already authenticated.")
        elif not self.username:
            self.respond("503 Login with USER first.")
        else:
            self._check(self.username, line)

    def _check(self, name: str, password: str) -> None:
        users = self.services.users
        user = users.find(name)
        self.pause()
        asked = self.services.passwords.verify(
            user.password_hash if user else None,
            password,
            lambda matches: self.guarded(lambda: self._on_verified(user, matches=matches)),
            decoy_hash=users.decoy_hash(name),
        )
        if not asked:
            self._count("busy")
            self.resume(lambda: self.end("Too many logins at a time; try again later."))

    def _on_verified(self, user: UserConfig | None, *, matches: bool) -> None:
        if self._closed:
            return
        if user is not None and matches:
            self._enter(user, "230 Logged in.")
            return
        self._count("failed")
        banned = self.services.bans.failed(self.remote_ip)
        # The name of nobody may be a password that was typed in the wrong place.
        attempted = user.name if user is not None else None
        warn("login failed", attempted=attempted, banned=banned, **self.identification())
        self._deny("Authentication failed.", for_good=banned)

    def _enter(self, user: UserConfig, answer: str) -> None:
        """Log in, if the user may from here and now."""
        try:
            self._check_admission(user)
            home = self.services.storage.home(user.home_directory)
        except _RefusedError as error:
            self._refuse(user, str(error))
            return
        except (OutsideStorageError, OSError) as error:
            warn("home unusable", error=str(error), attempted=user.name, **self.identification())
            self._refuse(user, "Home directory unusable.")
            return
        self.services.admission.log_in(user.name)
        self.user = user
        self.uploads = Uploads(home)
        self.services.quotas.open(
            home, user.quota, lambda account: self.guarded(lambda: self._on_counted(str(home), account, answer))
        )

    def _refuse(self, user: UserConfig, reason: str) -> None:
        self._count("refused")
        warn("login refused", reason=reason, attempted=user.name, **self.identification())
        self._deny(reason)

    def _check_admission(self, user: UserConfig) -> None:
        if user.allowed_cidrs is not None:
            address = ip_address(self.remote_ip)
            if not any(address in network for network in user.allowed_cidrs):
                raise _RefusedError("Not from your address.")
        if user.max_sessions is not None and self.services.admission.logged_in(user.name) >= user.max_sessions:
            raise _RefusedError("Too many sessions of this user.")

    def _on_counted(self, home: str, account: Account, answer: str) -> None:
        """Called when it is known what the home directory holds."""
        if self._closed or self.user is None:
            self.services.quotas.close(account)
            return
        self._account = account
        if self.uploads is not None:
            self.uploads.sweep(account, now=self.services.wall_clock())
        self.fs = Home(home, self)
        self.fs.account = account
        self.authorizer = UserRights(self.user, self.fs.fs2ftp)
        self.authenticated = True
        self.attempted_logins = 0
        self.on_user_known()
        self._count("ok")
        event("login", **self.identification())
        self.resume(lambda: self.respond(answer))

    def on_user_known(self) -> None:
        """Called at the login."""

    def leave(self) -> None:
        """Give back what the login took."""
        if self.user is not None:
            self.services.admission.log_out(self.user.name)
            self.user = None
        account, self._account = self._account, None
        if account is not None:
            self.after_transfer(lambda: self.services.quotas.close(account))

    def after_transfer(self, call: Callable[[], None]) -> None:
        """Do something when no transfer is under way."""
        call()

    def flush_account(self) -> None:
        self.leave()
        self.authorizer = NobodyYet()
        super().flush_account()

    def _deny(self, text: str, *, for_good: bool = False) -> None:
        """Answer after a while: guessing should take long."""
        self.username = ""
        self.call_later(self.auth_failed_timeout, self.resume, lambda: self._answer_denial(text, for_good=for_good))

    def _answer_denial(self, text: str, *, for_good: bool) -> None:
        self.attempted_logins += 1
        if self.attempted_logins < self.services.config.limits.max_login_attempts and not for_good:
            self.respond(f"530 {text}")
        else:
            self.respond(f"530 {text} Disconnecting.")
            self.close_when_done()

    def _count(self, outcome: str) -> None:
        self.services.metrics.logins.labels(outcome).inc()
