"""RETR, STOR, STOU, APPE, LIST, NLST, MLSD, SIZE, AVBL: files and listings, over the data connection."""

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, ClassVar

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.utils import strerror

from ftps_server.bandwidth import Shaper
from ftps_server.protocol.account import UserRights
from ftps_server.protocol.commands.dataconnection import NOT_PROTECTED, UNDER_WAY, DataConnectionCommands
from ftps_server.protocol.commands.protection import command
from ftps_server.protocol.transfers import AsciiDownload, Download, Incoming, Listing
from ftps_server.uploads import QuotaExceededError, Upload, Uploads

NO_CONNECTION = "425 Use PASV or EPSV first."
MAX_PATH_BYTES = 4096
_TRANSFERS = {"APPE", "LIST", "MLSD", "NLST", "RETR", "STOR", "STOU"}


class FileCommands(DataConnectionCommands):
    """A session that transfers files."""

    proto_cmds: ClassVar[dict[str, Any]] = {
        name: details
        # All files are one user's to the kernel: their modes protect nobody, and can lock everybody out.
        for name, details in DataConnectionCommands.proto_cmds.items()
        if name != "SITE CHMOD"
    } | {"AVBL": command("AVBL [<SP> path] (available bytes).", auth=True, arg=None, perm="e")}

    _restart_position: int
    _current_type: str

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self._upload_shaper: Shaper | None = None
        self._download_shaper: Shaper | None = None
        super().__init__(conn, server, ioloop)

    def on_user_known(self) -> None:
        super().on_user_known()
        if self.user is not None:
            self._upload_shaper = self.services.bandwidth.upload(self.user)
            self._download_shaper = self.services.bandwidth.download(self.user)

    def process_command(self, cmd: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if cmd in _TRANSFERS and not self._can_transfer():
            return
        if any(isinstance(arg, str) and len(os.fsencode(arg)) > MAX_PATH_BYTES for arg in args):
            self.respond("550 File name too long.")
            return
        super().process_command(cmd, *args, **kwargs)

    def _can_transfer(self) -> bool:
        if not self.is_data_protected:
            self.respond(NOT_PROTECTED)
        elif not self.is_busy:
            self.respond(NO_CONNECTION)
        elif self._pending is not None or (self.data_channel is not None and self.data_channel.transfer is not None):
            self.respond(UNDER_WAY)
        else:
            return True
        return False

    # Downloads

    def ftp_RETR(self, file: str) -> None:
        offset, self._restart_position = self._restart_position, 0
        opened = self.open_to_read(file)
        if opened is None:
            return
        size = os.fstat(opened.fileno()).st_size
        if offset > size:
            opened.close()
            self.respond(f"554 REST position ({offset}) > file size ({size})")
            return
        if offset:
            opened.seek(offset)
        kind = AsciiDownload if self._current_type == "a" else Download
        self.transfer(
            kind("RETR", self.fs.fs2ftp(file), opened, shaper=self._download_shaper), f"File status okay ({size} bytes)"
        )

    def open_to_read(self, file: str) -> BinaryIO | None:
        """Open a file; None when that cannot be, and was answered."""
        try:
            opened: BinaryIO = self.fs.open(file, "rb")
        except (OSError, FilesystemError) as error:
            self.respond(f"550 {strerror(error)}.")
            return None
        return opened

    # Uploads

    def ftp_STOR(self, file: str, mode: str = "w") -> None:
        offset, self._restart_position = self._restart_position, 0
        if offset:
            self._receive("STOR", file, lambda overwrite: self._resumed(file, offset, overwrite=overwrite))
        else:
            self._receive(
                "STOR", file, lambda overwrite: self._uploads.begin(file, self.fs.account, overwrite=overwrite)
            )

    def ftp_APPE(self, file: str) -> None:
        if self._restart_position:
            self.respond("450 Can't APPE while REST request is pending.")
        else:
            self._receive("APPE", file, lambda overwrite: self._resumed(file, None, overwrite=overwrite))

    def ftp_STOU(self, line: str) -> None:
        if self._restart_position:
            self.respond("450 Can't STOU while REST request is pending.")
            return
        directory, prefix = os.path.split(self.fs.ftp2fs(line)) if line else (self.fs.ftp2fs(self.fs.cwd), "ftpd")
        file = os.path.join(directory, f"{prefix}.{secrets.token_hex(4)}")
        if not self.fs.validpath(file):
            self.respond("550 Outside of the home directory.")
        elif not self.authorizer.has_perm(self.username, "w", file):
            self.respond("550 Not enough privileges.")
        else:
            # RFC 1123, section 4.1.2.9: the name stands in the answer, in this form.
            self._receive(
                "STOU",
                file,
                lambda _: self._uploads.begin(file, self.fs.account, overwrite=False),
                opening=f"FILE: {os.path.basename(file)}",
            )

    def _resumed(self, file: str, offset: int | None, *, overwrite: bool) -> Upload:
        return self._uploads.resume(file, self.fs.account, offset=offset, overwrite=overwrite)

    def _receive(
        self, command: str, file: str, begin: Callable[[bool], Upload], *, opening: str = "File status okay"
    ) -> None:
        rights = self.authorizer
        try:
            upload = begin(isinstance(rights, UserRights) and rights.may_overwrite(file))
        except QuotaExceededError as error:
            self.services.metrics.quota_exceeded.inc()
            self.respond(f"552 {error}")
        except ValueError as error:
            self.respond(f"554 {error}")
        except (OSError, FilesystemError) as error:
            self.respond(f"550 {strerror(error)}.")
        else:
            is_text = self._current_type == "a"
            path = self.fs.fs2ftp(file)
            self.transfer(Incoming(command, path, upload, ascii=is_text, shaper=self._upload_shaper), opening)

    @property
    def _uploads(self) -> Uploads:
        assert self.uploads is not None  # noqa: S101 - there are since the login
        return self.uploads

    # Listings

    def ftp_LIST(self, path: str) -> None:
        self._list("LIST", path, self.fs.format_list)

    def ftp_MLSD(self, path: str) -> None:
        if not self.fs.isdir(path):
            self.respond("501 No such directory.")
            return
        rights = self.authorizer
        letters = rights.letters(self.fs.fs2ftp(path)) if isinstance(rights, UserRights) else ""
        self._list(
            "MLSD",
            path,
            lambda directory, names: self.fs.format_mlsx(directory, names, letters, self._current_facts),
        )

    def ftp_MLST(self, path: str) -> None:
        rights = self.authorizer
        if isinstance(rights, UserRights):
            rights.shown = self.fs.fs2ftp(path)
        super().ftp_MLST(path)

    def ftp_NLST(self, path: str) -> None:
        encoding, errors = self.encoding, self.unicode_errors
        self._list("NLST", path, lambda _, names: (f"{name}\r\n".encode(encoding, errors) for name in names))

    def _list(self, cmd: str, path: str, lines: Callable[[str, Iterator[str]], Iterator[bytes]]) -> None:
        try:
            if self.fs.isdir(path):
                directory, names = path, self.fs.names(path)
                next(names)  # raises where it cannot be read
            else:
                directory, name = os.path.split(path)
                self.fs.lstat(path)
                names = iter((name,))
        except (OSError, FilesystemError) as error:
            self.respond(f"550 {strerror(error)}.")
        else:
            self.transfer(Listing(cmd, self.fs.fs2ftp(path), _with_pauses(names, lambda part: lines(directory, part))))

    # Space

    def ftp_SIZE(self, path: str) -> None:
        partial = self._uploads.partial_size(path) if not os.path.lexists(path) else None
        if partial is not None and self._current_type != "a":
            # Of an upload that was cut off: this is where the client goes on (REST, APPE).
            self.respond(f"213 {partial}")
        else:
            super().ftp_SIZE(path)

    def ftp_AVBL(self, path: str) -> None:
        """draft-peterson-streamlined-ftp-command-extensions."""
        try:
            found = os.statvfs(path)
        except OSError as error:
            self.respond(f"550 {strerror(error)}.")
            return
        free, allowed = found.f_bavail * found.f_frsize, self.fs.account.available_bytes
        self.respond(f"213 {free if allowed is None else min(free, allowed)}")


def _with_pauses(names: Iterator[str | None], lines: Callable[[Iterator[str]], Iterator[bytes]]) -> Iterator[bytes]:
    """The lines of the names; an empty one where others should get their turn."""
    for name in names:
        if name is None:
            yield b""
        else:
            yield from lines(_rest(name, names))


def _rest(name: str, names: Iterator[str | None]) -> Iterator[str]:
    yield name
    for following in names:
        if following is not None:
            yield following
