"""Clients in other languages: a program that is started once and told its tasks.

A task is a line of words with tabs between them; so is the answer: `ok` and the names that were listed, or `error` and
why.
"""

import subprocess
import threading

from clients import toolchain
from clients.matrix import TIMEOUT, TLS_VERSIONS, Client, ClientError, Mode, Task, run


class Worker(Client):
    """One such client."""

    _process: "subprocess.Popen[str] | None" = None

    def argv(self) -> list[str]:
        """The program."""
        raise NotImplementedError

    def perform(self, task: Task) -> list[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                self.argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        flags = (str(flag).lower() for flag in (task.mode.implicit, task.mode.active))
        server = (task.mode.host, str(task.port), task.user, task.password, str(task.authority))
        folders = (task.directory, str(task.sent), str(task.received))
        answer = self._ask(task.mode.tls, *flags, *server, *folders, *task.files)
        verdict, *words = answer.split("\t")
        if verdict != "ok":
            raise ClientError(" ".join(words) or answer)
        return words

    def _ask(self, *words: str) -> str:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        print(*words, sep="\t", file=process.stdin, flush=True)
        guard = threading.Timer(TIMEOUT, process.kill)
        guard.start()
        lines = []
        # A runtime's warnings may stand before the answer.
        while (line := process.stdout.readline()) and not line.startswith(("ok\t", "error\t")):
            lines.append(line)
        guard.cancel()
        if not line:
            self.close()
            raise ClientError(f"no answer within {TIMEOUT} s, or it broke down: {''.join(lines)}")
        return line.removesuffix("\n")

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class BasicFtp(Worker):
    name = "basic-ftp"
    notes = "without the empty file: it ends such a data connection, now and then, before its handshake or close_notify"
    files = ("large", "small")

    def version(self) -> str:
        return f"{toolchain.basic_ftp_version()}, Node {run(['node', '--version']).strip().removeprefix('v')}"

    def argv(self) -> list[str]:
        return ["node", str(toolchain.ensure_clients() / "node" / "client.mjs")]

    def lacks(self, mode: Mode) -> str | None:
        return "basic-ftp has no active mode" if mode.active else None


class CommonsNet(Worker):
    name = "commons-net"
    resuming = ()

    def version(self) -> str:
        java = run(["java", "--version"]).split()[1]
        return f"{toolchain.commons_net_version()}, Java {java}"

    def argv(self) -> list[str]:
        folder = toolchain.ensure_clients() / "java"
        options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *self.options()]
        return ["java", *options, "-cp", f"{folder}/*:{folder}", "Client"]

    def options(self) -> list[str]:
        """What the virtual machine is told."""
        return []


class ResumingCommonsNet(CommonsNet):
    name = "commons-net, resuming"
    notes = (
        "`_prepareDataSocket_` of a subclass puts the session into JSSE's cache by reflection (NET-408, and with "
        "TLS 1.3 its ticket once more), with `--add-opens java.base/sun.security.ssl=ALL-UNNAMED "
        "--add-opens java.base/sun.security.util=ALL-UNNAMED`"
    )
    resuming = TLS_VERSIONS

    def options(self) -> list[str]:
        packages = ("sun.security.ssl", "sun.security.util")
        return ["-Dresume=true", *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in packages)]
