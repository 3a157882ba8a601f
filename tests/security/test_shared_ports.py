"""A passive port serves many sessions at a time, and each gets what is its own."""

import ftplib
import os
import random

import pytest

from ftps_server.config import PassivePorts
from security.harness import ELSEWHERE, HOST, TLS_1_2, TLS_1_3, ask, data_of, logged_in, offered
from unit.ftps_server.harness import user, wait_for

SESSIONS = 64
SIZE = 20_000


@pytest.fixture
def serve(setup, start):
    def begin(ports, **settings):
        setup.passive = PassivePorts(first=setup.passive.first, last=setup.passive.first + ports - 1)
        setup.configure(**settings)
        setup.users(user(), user("bob"))
        for name in ("alice", "bob"):
            (setup.storage / name).mkdir()
        start()
        return set(range(setup.passive.first, setup.passive.last + 1))

    return begin


class Transfer:
    """Of one of many sessions: a download or an upload of bytes that no other has."""

    def __init__(self, client, folder, number):
        self.client = client
        self.content = os.urandom(SIZE)
        self.path = folder / str(number)
        self.is_upload = number % 4 < 2
        if not self.is_upload:
            self.path.write_bytes(self.content)

    def begin(self):
        self.port = offered(self.client)
        ask(self.client, f"{'STOR' if self.is_upload else 'RETR'} {self.path.name}")

    def connect(self, source):
        self.data = data_of(self.client, self.port, source=source)

    def run(self):
        """Whether each side has at the end what the other has sent."""
        with self.data:
            if self.is_upload:
                self.data.upload(self.content)
            elif self.data.download() != self.content:
                return False
        return self.client.getresp().startswith("226 ") and self.path.read_bytes() == self.content


def run_at_once(transfers, source=HOST):
    """All wait, all connect, and then each has its handshake and its file, in an order of its own."""
    order = random.Random(4)  # noqa: S311 - the same each time
    for transfer in transfers:
        transfer.begin()
    for transfer in order.sample(transfers, len(transfers)):
        transfer.connect(source)
    return [transfer.run() for transfer in order.sample(transfers, len(transfers))]


def sessions(clients, count):
    """Half of them with TLS 1.2."""
    return [logged_in(clients, version=(TLS_1_2, TLS_1_3)[number % 2]) for number in range(count)]


def test_64_sessions_of_one_address_at_2_ports_get_each_its_own(clients, setup, serve):
    ports = serve(2)
    many = sessions(clients, SESSIONS)
    for part in range(2):  # for the second time, each one's tickets are known
        numbers = range(part * SESSIONS, (part + 1) * SESSIONS)
        transfers = [
            Transfer(client, setup.storage / "alice", number) for client, number in zip(many, numbers, strict=True)
        ]
        assert run_at_once(transfers) == [True] * SESSIONS
        assert {transfer.port for transfer in transfers} == ports
    assert clients.metric('ftps_server_data_connections_total{tls="resumed"}') == 2 * SESSIONS
    assert clients.metric("ftps_server_passive_ports_in_use") == 0


def test_one_address_in_front_of_all_data_connections_and_another_of_all_sessions_is_no_trouble(clients, setup, serve):
    serve(2)
    many = sessions(clients, 16)
    transfers = [Transfer(client, setup.storage / "alice", number) for number, client in enumerate(many)]
    assert run_at_once(transfers, ELSEWHERE) == [True] * 16


def test_ones_own_transfer_at_the_victims_port_gives_nothing_of_the_victims(clients, setup, serve):
    serve(1)
    (setup.storage / "alice/file").write_bytes(b"alice's")
    (setup.storage / "bob/file").write_bytes(b"bob's")
    victim, other = logged_in(clients), logged_in(clients, "bob")
    port = offered(victim)
    assert offered(other) == port
    ask(victim, "RETR file")
    ask(other, "RETR file")
    with data_of(other, port) as data:
        assert data.download() == b"bob's"
    with data_of(victim, port) as data:
        assert data.download() == b"alice's"
    assert [client.getresp()[:4] for client in (victim, other)] == ["226 ", "226 "]


def test_more_sessions_than_ports_of_ones_own_are_told_to_try_again(clients, serve):
    ports = serve(2, passive={"sharedPorts": False})
    waiting = [logged_in(clients) for _ in range(2)]
    assert {offered(client) for client in waiting} == ports
    late = logged_in(clients)
    for command in ("EPSV", "PASV"):
        with pytest.raises(ftplib.error_temp, match="425 All passive ports are in use; try again"):
            late.sendcmd(command)
    assert clients.metric("ftps_server_passive_ports_exhausted_total") == 2
    waiting[0].close()
    wait_for(lambda: clients.metric("ftps_server_passive_ports_in_use") == 1, "a free port")
    assert offered(late) in ports
    assert late.nlst() == []
