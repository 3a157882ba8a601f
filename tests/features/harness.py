"""What the tests of features have in common."""

import ftplib
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

import ftps_server
from unit.ftps_server.harness import DEADLINE, Clients, Ftps, Setup, wait_for

T = TypeVar("T")
_FOLDERS = (Path(ftps_server.__file__).parents[1], Path(__file__).parents[1])


def refusal(call: Callable[[], object]) -> str:
    """The answer to what the server refuses."""
    with pytest.raises(ftplib.Error) as caught:
        call()
    return str(caught.value)


def answer(call: Callable[[], str]) -> str:
    """The answer, whether it is a refusal or not."""
    try:
        return call()
    except ftplib.Error as error:
        return str(error)


def upload(client: ftplib.FTP, name: str, content: bytes = b"content", rest: int | None = None) -> str:
    return client.storbinary(f"STOR {name}", io.BytesIO(content), rest=rest)


def download(client: ftplib.FTP, name: str, rest: int | None = None) -> bytes:
    parts: list[bytes] = []
    client.retrbinary(f"RETR {name}", parts.append, rest=rest)
    return b"".join(parts)


def lines(client: ftplib.FTP, command: str) -> list[str]:
    found: list[str] = []
    client.retrlines(command, found.append)
    return found


def data_socket(client: Ftps) -> socket.socket:
    """A connection to where EPSV says, not yet encrypted."""
    host, port = ftplib.parse229(client.sendcmd("EPSV"), client.sock.getpeername())
    return socket.create_connection((host, port), timeout=DEADLINE)


def begun(client: Ftps, command: str) -> ssl.SSLSocket:
    """The data connection of a transfer that has begun."""
    client.voidcmd("TYPE I")
    connection = client.transfercmd(command)
    assert isinstance(connection, ssl.SSLSocket)
    return connection


def cut_off(client: Ftps, name: str, content: bytes, *, command: str = "STOR") -> str:
    """Upload a part of a file, and end without TLS's word for it; the answer."""
    connection = begun(client, f"{command} {name}")
    connection.sendall(content)
    connection.close()
    return refusal(client.voidresp)


def failed_upload(client: Ftps, command: str, content: bytes = b"content") -> str:
    """The answer to an upload that the server ends, or refuses in the end."""
    with begun(client, command) as connection, suppress(OSError):
        connection.sendall(content)
        connection.unwrap()
    return refusal(client.voidresp)


def refused_data(client: Ftps, command: str = "NLST") -> str:
    """The answer to a command whose data connection is refused."""
    with warnings.catch_warnings():
        # Python forgets a socket that is reset before the handshake.
        warnings.simplefilter("ignore", ResourceWarning)
        with suppress(OSError), client.transfercmd(command) as connection:
            assert connection.recv(1) == b""
    return refusal(client.voidresp)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the connection ends, in whatever way."""
    parts = []
    with suppress(ConnectionError, ssl.SSLEOFError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """The results of calls that are made at the same time."""
    calls = list(calls)
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(60) for future in [pool.submit(call) for call in calls]]


def home(setup: Setup, name: str = "alice") -> Path:
    """A home directory, made."""
    path = setup.storage / name
    path.mkdir(exist_ok=True)
    return path


def visible(directory: Path) -> dict[str, bytes]:
    """The files of a directory that users see, and what is in them."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def reloaded(clients: Clients, file: str, outcome: str = "ok") -> Callable[[], bool]:
    """Whether a file has been read again since now."""
    line = f'ftps_server_reloads_total{{file="{file}",outcome="{outcome}"}}'
    before = clients.metric(line) or 0
    return lambda: (clients.metric(line) or 0) > before


class Process:
    """The server in a process of its own."""

    def __init__(self, setup: Setup, before: Sequence[str] = ()) -> None:
        """`before` is a command that runs it."""
        arguments = ["--config-directory", str(setup.directory), "--passive-ports", str(setup.passive)]
        self.output, self.errors = setup.directory / "output", setup.directory / "errors"
        with self.output.open("ab") as output, self.errors.open("ab") as errors:
            self.popen = subprocess.Popen(
                [*before, sys.executable, "-m", "features.hurry", *arguments],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(str(folder) for folder in _FOLDERS)},
                stdout=output,
                stderr=errors,
            )

    def is_ready(self, clients: Clients) -> bool:
        assert self.popen.poll() is None, self.errors.read_text()
        try:
            return clients.get("readyz")[0] == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def events(self, name: str | None = None) -> list[dict[str, object]]:
        """What it has logged, all of it or what is of one name."""
        found = [json.loads(line) for line in self.output.read_text().splitlines() if line.endswith("}")]
        return [event for event in found if name in {None, event["event"]}]

    def wait_for_event(self, name: str, **details: object) -> dict[str, object]:
        """The first event with these details."""
        matching: list[dict[str, object]] = []

        def look() -> bool:
            matching.extend(event for event in self.events(name) if details.items() <= event.items())
            return bool(matching)

        wait_for(look, f"the event {name!r} with {details}")
        return matching[0]

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(DEADLINE)
