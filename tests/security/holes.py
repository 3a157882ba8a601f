"""pyftpdlib's known holes, each looked for from outside: the same steps on any server."""

import ftplib
import os
import select
import signal
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher

from security.attackers import Attacker
from security.harness import HOST, TLS_1_3, ask, data_of, logged_in, offered
from unit.ftps_server.harness import DEADLINE, PASSWORD, Clients, Setup, wait_for

CONTENT = os.urandom(200_000)
"""More than the kernel receives for a process that does not read, less than it takes to send."""
SLOW_HASH = PasswordHasher(time_cost=2, memory_cost=65536, parallelism=1).hash(PASSWORD)
SLOW_LOGINS = 5
SEND_BUFFER = 1 << 20
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Target:
    """A server in a process of its own."""

    setup: Setup
    authority: bytes
    pid: int

    @property
    def home(self) -> Path:
        """Of the user alice, as this machine sees it."""
        return self.setup.storage / "alice"

    @contextmanager
    def visited(self) -> Iterator[Clients]:
        """Clients that are gone at the end."""
        clients = Clients(self.setup, self.authority)
        yield clients
        for client in clients.made:
            client.close()


def clear_commands_are_carried_out_inside_tls(target: Target) -> bool:
    """Those that came in one segment with AUTH TLS."""
    with target.visited() as clients, socket.create_connection((HOST, target.setup.explicit), DEADLINE) as raw:
        assert raw.recv(1024).startswith(b"220 ")
        raw.sendall(b"AUTH TLS\r\nSYST\r\n")
        assert raw.recv(1024) == b"234 AUTH TLS successful.\r\n"
        with clients.context().wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(b"NOOP\r\n")
            return secure.recv(1024).startswith(b"215 ")


def a_cut_off_upload_is_called_complete(target: Target, *, reset: bool) -> bool:
    """The connection ends, TLS has not: anybody in between could have ended it."""
    with target.visited() as clients:
        client = logged_in(clients)
        connection = client.transfercmd("STOR cut")
        connection.sendall(CONTENT)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # without unwrap(): no close_notify
        try:
            answer = client.getresp()
        except ftplib.Error as error:
            answer = str(error)
        return answer.startswith("226 ") and (target.home / "cut").exists()


def a_file_goes_out_in_clear(target: Target) -> bool:
    """TLS is required of data connections; PROT C comes when PASV has looked at that."""
    (target.home / "secret").write_bytes(CONTENT)
    with target.visited() as clients:
        client = logged_in(clients)
        port = offered(client)
        with suppress(ftplib.Error):
            client.sendcmd("PROT C")
        ask(client, "RETR secret")
        with socket.create_connection((HOST, port), DEADLINE) as raw:
            raw.shutdown(socket.SHUT_WR)  # nobody need wait for a ClientHello
            return raw.recv(1024) == CONTENT[:1024]


def a_port_outside_of_the_range_is_offered(target: Target) -> bool:
    """When more sessions ask than there are ports."""
    ports = range(target.setup.passive.first, target.setup.passive.last + 1)
    found = []
    with target.visited() as clients:
        for _ in range(len(ports) + 1):
            with suppress(ftplib.error_temp):
                found.append(offered(logged_in(clients)))
    assert set(ports) <= set(found)
    return not set(found) <= set(ports)


def a_stranger_gets_the_file(target: Target, attack: type[Attacker], version: ssl.TLSVersion) -> bool:
    """Who connects to the passive port before the client does, from its address."""
    (target.home / "secret").write_bytes(CONTENT)
    with target.visited() as clients:
        victim = logged_in(clients, version=version)
        attacker = attack(clients, version)
        attacker.prepare(victim)
        port = offered(victim)
        ask(victim, "RETR secret")
        attacker.strike(port)
        attacker.leave()
    return attacker.got == CONTENT


def passwords_stop_everybody(target: Target) -> bool:
    """Others wait for longer than one password takes to check."""
    began = time.monotonic()
    PasswordHasher().verify(SLOW_HASH, PASSWORD)
    seconds = time.monotonic() - began
    with target.visited() as clients, ThreadPoolExecutor(SLOW_LOGINS) as pool:
        other = clients.login()
        entering = [clients.connect() for _ in range(SLOW_LOGINS)]
        for client in entering:
            client.auth()
            assert client.sendcmd("USER slow").startswith("331 ")
        for client in entering:
            client.putcmd(f"PASS {PASSWORD}")
        answers = [pool.submit(client.getresp) for client in entering]
        worst = 0.0
        while not all(answer.done() for answer in answers):
            began = time.monotonic()
            other.voidcmd("NOOP")
            worst = max(worst, time.monotonic() - began)
        assert all(answer.result().startswith("230 ") for answer in answers)
    return worst > seconds


def sigterm_is_ignored(target: Target) -> bool:
    """It goes on to welcome clients."""
    os.kill(target.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((HOST, target.setup.explicit), DEADLINE) as raw:
                if not raw.recv(1024).startswith(b"220 "):
                    return False
        except ConnectionError:
            return False
    return True


def the_end_of_an_upload_is_lost(target: Target, *, early: bool) -> bool:
    """The client speaks TLS 1.3, never reads, and closes when it has said all, close_notify included.

    What lies unread with it makes its kernel answer by RST, and throw away what has not been sent yet. The server is
    held up, so that there is something. `early`: the data connection comes before the command.
    """
    with target.visited() as clients:
        client = logged_in(clients, version=TLS_1_3)
        port = offered(client)
        if not early:
            ask(client, "STOR whole")
        with data_of(client, port) as data:
            data.shake_hands()
            if early:
                assert client.sendcmd("STOR whole").startswith("1")
            data.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            select.select([data.sock], [], [], PATIENCE_SECONDS)  # tickets, if they come
            os.kill(target.pid, signal.SIGSTOP)
            try:
                wait_for(lambda: _state(target.pid) == "T", "the server to stop")
                data.sock.sendall(data.tls.send(CONTENT) + data.tls.end())
                data.close()
            finally:
                os.kill(target.pid, signal.SIGCONT)
        with suppress(ftplib.Error):
            client.getresp()
        file = target.home / "whole"
        stored = file.read_bytes() if file.exists() else b""
        file.unlink(missing_ok=True)
        return stored != CONTENT


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
