"""Python's ftplib as a server wants it that binds data connections to their control connection."""

import ftplib
import socket


class Ftps(ftplib.FTP_TLS):
    """Resumes the control connection's TLS session, which ftplib does not (python/cpython#63699)."""

    resumes = True

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            session = self.sock.session if self.resumes else None
            connection = self.context.wrap_socket(connection, server_hostname=self.host, session=session)
        return connection, size
