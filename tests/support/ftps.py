"""Python's ftplib as a server wants it that binds data connections to their control connection."""

import ftplib
import socket
import ssl


class Ftps(ftplib.FTP_TLS):
    """Resumes the control connection's TLS session, which ftplib does not (python/cpython#63699)."""

    resumes = True
    passive_port: int | None = None
    """The port of the last data connection."""

    def makepasv(self) -> tuple[str, int]:
        host, self.passive_port = super().makepasv()
        return host, self.passive_port

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            session = self.sock.session if self.resumes else None
            connection = self.context.wrap_socket(connection, server_hostname=self.host, session=session)
        return connection, size


class ImplicitSocket:
    """Makes ftplib's client one of implicit FTPS: whatever it connects is wrapped before it is used."""

    _sock: socket.socket | None = None

    @property
    def sock(self) -> socket.socket | None:
        return self._sock

    @sock.setter
    def sock(self, value: socket.socket | None) -> None:
        wrap = value is not None and not isinstance(value, ssl.SSLSocket)
        self._sock = self.context.wrap_socket(value, server_hostname=self.host) if wrap else value
