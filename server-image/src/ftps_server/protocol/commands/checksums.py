"""HASH, OPTS HASH (draft-bryan-ftp-hash), XCRC, XMD5, XSHA, XSHA1, XSHA256, XSHA512: hashes of files, off the loop."""

import os
import re
from typing import Any, ClassVar

from pyftpdlib.utils import strerror

from ftps_server.checksums import ALGORITHMS, Job
from ftps_server.protocol.commands.files import FileCommands
from ftps_server.protocol.commands.protection import command

_COMMANDS = {
    "XCRC": "CRC32",
    "XMD5": "MD5",
    "XSHA": "SHA-1",
    "XSHA1": "SHA-1",
    "XSHA256": "SHA-256",
    "XSHA512": "SHA-512",
}
_RANGE = re.compile(r'(?P<path>"[^"]+"|.+?)(?: +(?P<start>\d{1,19}) +(?P<end>\d{1,19}))?')


class ChecksumCommands(FileCommands):
    """A session that computes hashes; meanwhile it takes no command."""

    proto_cmds: ClassVar[dict[str, Any]] = (
        FileCommands.proto_cmds
        | {"HASH": command("HASH <SP> path (hash of a file).", auth=True, arg=True)}
        | {
            name: command(f"{name} <SP> path [<SP> start <SP> end] ({algorithm} of a file).", auth=True, arg=True)
            for name, algorithm in _COMMANDS.items()
        }
    )

    def __init__(self, conn: Any, server: Any, ioloop: Any = None) -> None:  # noqa: ANN401 - pyftpdlib is untyped
        self._algorithm = "SHA-256"
        self._job: Job | None = None
        super().__init__(conn, server, ioloop)

    @property
    def hash_feature(self) -> str:
        """As FEAT lists it: the chosen one has a star."""
        return "HASH " + ";".join(f"{name}*" if name == self._algorithm else name for name in ALGORITHMS)

    def ftp_OPTS(self, line: str) -> None:
        name, _, value = line.partition(" ")
        if name.upper() != "HASH":
            super().ftp_OPTS(line)
        elif not value:
            self.respond(f"200 {self._algorithm}")
        elif value.upper() in ALGORITHMS:
            self._algorithm = value.upper()
            self.respond(f"200 {self._algorithm}")
        else:
            self.respond("501 Unknown algorithm.")

    def ftp_HASH(self, line: str) -> None:
        algorithm = self._algorithm
        self._hash(line, algorithm, 0, None, lambda size, digest: f"213 {algorithm} 0-{size} {digest} {line}")

    def ftp_XCRC(self, line: str) -> None:
        self._hash_range(line, "XCRC")

    def ftp_XMD5(self, line: str) -> None:
        self._hash_range(line, "XMD5")

    def ftp_XSHA(self, line: str) -> None:
        self._hash_range(line, "XSHA")

    def ftp_XSHA1(self, line: str) -> None:
        self._hash_range(line, "XSHA1")

    def ftp_XSHA256(self, line: str) -> None:
        self._hash_range(line, "XSHA256")

    def ftp_XSHA512(self, line: str) -> None:
        self._hash_range(line, "XSHA512")

    def _hash_range(self, line: str, cmd: str) -> None:
        found = _RANGE.fullmatch(line)
        if found is None:
            self.respond("501 Syntax error in parameters.")
            return
        start, end = int(found["start"] or 0), int(found["end"]) if found["end"] else None
        if end is not None and end < start:
            self.respond("501 The range ends before it starts.")
            return
        self._hash(found["path"].strip('"'), _COMMANDS[cmd], start, end, lambda _, digest: f"250 {digest}")

    def _hash(self, path: str, algorithm: str, start: int, end: int | None, answer: Any) -> None:  # noqa: ANN401
        file = self.fs.ftp2fs(path)
        if not self.fs.validpath(file):
            self.respond("550 Outside of the home directory.")
            return
        if not self.authorizer.has_perm(self.username, "r", file):
            self.respond("550 Not enough privileges.")
            return
        opened = self.open_to_read(file)
        if opened is None:
            return
        size = os.fstat(opened.fileno()).st_size
        self.pause(listens=True)
        self.suspend_idle_timer()

        def reply(result: str | OSError) -> None:
            self._job = None
            self.restart_idle_timer()
            text = f"450 {strerror(result)}." if isinstance(result, OSError) else answer(size, result)
            self.guarded(lambda: self.resume(lambda: self.respond(text)))

        self._job = self.services.checksums.compute(opened, algorithm, start, end, reply)

    def on_interrupt(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self.restart_idle_timer()
            self.resume(lambda: self.respond("426 Checksum aborted."))

    @property
    def is_busy(self) -> bool:
        return super().is_busy or (not self._closed and self._job is not None)

    def close(self) -> None:
        if not self._closed and self._job is not None:
            self._job.cancel()
        super().close()
