"""Python's ftplib, as it is, and as its documentation's readers extend it."""

import ftplib
import platform
import socket
import ssl

from clients.matrix import TIMEOUT, TLS_VERSIONS, Client, ClientError, Task

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ImplicitFtp(ftplib.FTP_TLS):
    """TLS from the first byte."""

    implicit = False
    _sock: socket.socket | None = None

    @property
    def sock(self) -> socket.socket | None:
        return self._sock

    @sock.setter
    def sock(self, value: socket.socket | None) -> None:
        if self.implicit and value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname=self.host)
        self._sock = value


class ResumingFtp(ImplicitFtp):
    """Data connections resume the TLS session of the control connection."""

    def ntransfercmd(self, cmd, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        return self.context.wrap_socket(connection, server_hostname=self.host, session=self.sock.session), size


class Ftplib(Client):
    name = "ftplib"
    notes = "implicit mode by a subclass that wraps its socket"
    resuming = ()
    make: type[ImplicitFtp] = ImplicitFtp

    def version(self) -> str:
        return platform.python_version()

    def perform(self, task: Task) -> list[str]:
        context = ssl.create_default_context(cafile=task.authority)
        context.minimum_version = context.maximum_version = VERSIONS[task.mode.tls]
        try:
            with self.make(context=context, timeout=TIMEOUT) as ftp:
                ftp.implicit = task.mode.implicit
                ftp.connect(task.mode.host, task.port)
                ftp.login(task.user, task.password, secure=not task.mode.implicit)
                ftp.prot_p()
                ftp.set_pasv(not task.mode.active)
                return self._transfer(ftp, task)
        except (OSError, EOFError, ftplib.Error) as error:
            raise ClientError(repr(error)) from error

    def _transfer(self, ftp: ftplib.FTP_TLS, task: Task) -> list[str]:
        ftp.mkd(task.directory)
        ftp.cwd(task.directory)
        for name in task.files:
            with (task.sent / name).open("rb") as file:
                ftp.storbinary(f"STOR {name}", file)
        names = [name for name, facts in ftp.mlsd() if facts["type"] == "file"]
        for name in task.files:
            with (task.received / name).open("wb") as file:
                ftp.retrbinary(f"RETR {name}", file.write)
        return names


class ResumingFtplib(Ftplib):
    name = "ftplib, resuming"
    notes = "`ntransfercmd` of a subclass passes `session=self.sock.session`"
    resuming = TLS_VERSIONS
    make = ResumingFtp
