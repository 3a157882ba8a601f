"""What stands in the place of the suite's plain FTP client: FTPS, with all that our server asks for by default."""

import ftplib
import ssl
from contextlib import suppress
from functools import cache
from typing import NoReturn

from pyftpdlib_suite.ftpd import ANONYMOUS_PASSWORD, pki
from pyftpdlib_suite.left_out import WORDS
from support.ftps import ImplicitSocket

_UPLOADS = {"APPE", "STOR", "STOU"}
_TRANSFERS = _UPLOADS | {"RETR"}


class DataSocket(ssl.SSLSocket):
    """Ends an upload with close_notify, as FTPS clients do, where a test only closes the connection."""

    is_upload = False

    def close(self) -> None:
        if self.is_upload and self._sslobj is not None:
            with suppress(OSError, ValueError):
                self.unwrap()
        super().close()


class _Unseen:
    """By this attribute of the class tests tell a TLS client, to wrap its data connections once more."""

    def __get__(self, instance: object, owner: object) -> NoReturn:
        raise AttributeError


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pki.root().decode())
    context.sslsocket_class = DataSocket
    return context


class ExplicitClient(ftplib.FTP_TLS):
    """`ftplib.FTP`. Sends AUTH TLS when it connects, PROT P when it has logged in, and resumes its session for data."""

    ssl_version = _Unseen()
    _is_transferring = False

    def __init__(self, timeout: float = 10.0) -> None:
        self.ssl_version = ssl.PROTOCOL_TLS_CLIENT  # Python 3.11's `auth` looks at it
        super().__init__(context=_context(), timeout=timeout)

    def connect(self, host: str = "", port: int = 0, *args: object) -> str:
        welcome = super().connect(host, port, *args)
        self.secure()
        return welcome

    def secure(self) -> None:
        self.auth()

    def login(self, user: str = "", passwd: str = "", acct: str = "") -> str:
        # The suite's server takes any password of this user's.
        answer = super().login(user, ANONYMOUS_PASSWORD if user == "anonymous" else passwd, acct)
        self.prot_p()
        return answer

    def sendcmd(self, cmd: str) -> str:
        # Some tests ask for a transfer that will be refused, without a data connection: that is refused before.
        if _verb(cmd) in _TRANSFERS and not self._is_transferring:
            self.makepasv()
        return super().sendcmd(cmd)

    def getmultiline(self) -> str:
        answer = super().getmultiline()
        for ours, theirs in WORDS.items():
            answer = answer.replace(ours, theirs)
        return answer

    def ntransfercmd(self, cmd: str, rest: object = None) -> tuple[ssl.SSLSocket, int | None]:
        self._is_transferring = True
        try:
            plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        finally:
            self._is_transferring = False
        connection = self.context.wrap_socket(plain, server_hostname=self.host, session=self.sock.session)
        connection.is_upload = _verb(cmd) in _UPLOADS
        return connection, size


def _verb(cmd: str) -> str:
    return cmd.partition(" ")[0].upper()


class ImplicitClient(ImplicitSocket, ExplicitClient):
    """The same, with TLS from the first byte."""

    def secure(self) -> None:
        """It is already."""
