"""Behind a proxy: what counts is the client's address, on both connections."""

import ipaddress
import itertools
import socket
import struct
from collections.abc import Callable
from functools import partial

import pytest

from features.harness import at_once, download, refusal, refused_data, rest, upload
from unit.ftps_server.harness import DEADLINE, PASSWORD, Ftps, user, wait_for

ALLOWED = {"allowedProxies": ["127.0.0.1/32", "::1/128"]}


def version_1(address: str) -> bytes:
    family, target = ("TCP6", "2001:db8::1") if ":" in address else ("TCP4", "192.0.2.1")
    return f"PROXY {family} {address} {target} 40000 21\r\n".encode()


def version_2(address: str) -> bytes:
    source = ipaddress.ip_address(address)
    target = ipaddress.ip_address("192.0.2.1" if source.version == 4 else "2001:db8::1")
    # A TLV behind the addresses, as AWS's load balancers send it.
    fields = source.packed + target.packed + struct.pack("!HH", 40000, 21) + b"\xea\x00\x03abc"
    kind = 0x11 if source.version == 4 else 0x21
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, kind, len(fields)) + fields


class ProxiedFtps(Ftps):
    """Sends a header ahead of everything, as a proxy would."""

    header = data_header = b""
    source: tuple[str, int] | None = None
    data_source: tuple[str, int] | None = None

    def connect(self, host: str = "", port: int = 0, *_: object) -> str:
        self.host, self.port = host, port
        self.sock = socket.create_connection((host, port), self.timeout, self.source)
        self.sock.sendall(self.header)
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd: str, *_: object) -> tuple[socket.socket, int | None]:
        connection = socket.create_connection(self.makepasv(), self.timeout, self.data_source)
        connection.sendall(self.data_header)
        self.sendcmd(cmd)
        session = self.sock.session if self.resumes else None
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), None


@pytest.fixture
def serve(setup, start) -> Callable[..., None]:
    def serve(**changes: object) -> None:
        setup.configure(**{"proxyProtocol": ALLOWED} | changes)
        start()

    return serve


@pytest.fixture
def made(clients) -> Callable[..., ProxiedFtps]:
    """A client at an address behind the proxy, not yet connected."""

    def made(address, header=version_1):
        client = ProxiedFtps(context=clients.context(), timeout=DEADLINE)
        clients.made.append(client)
        client.header = client.data_header = header(address)
        return client

    return made


@pytest.fixture
def connect(made, setup) -> Callable[..., ProxiedFtps]:
    def connect(address, header=version_1):
        client = made(address, header)
        client.connect("127.0.0.1", setup.explicit)
        return client

    return connect


def log_in(client: Ftps, name: str = "alice", password: str = PASSWORD) -> Ftps:
    client.login(name, password)
    client.prot_p()
    return client


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8::7"])
@pytest.mark.parametrize("header", [version_1, version_2])
def test_control_and_data_connections_come_through_a_proxy(serve, connect, header, address):
    # The data connection does not resume: it is told by the client's address.
    serve(tls={"dataSessionReuse": "Preferred"})
    client = log_in(connect(address, header))
    client.resumes = False
    upload(client, "file", b"by proxy")
    assert download(client, "file") == b"by proxy"


def test_a_data_connection_of_another_client_of_the_proxy_is_refused(serve, connect, clients):
    serve(tls={"dataSessionReuse": "Preferred"}, limits={"handshakeTimeoutSeconds": 1})
    client = log_in(connect("198.51.100.7"))
    client.resumes = False
    client.data_header = version_1("198.51.100.8")
    assert refused_data(client).startswith("425 ")
    assert clients.metric('ftps_server_data_connections_total{tls="refused"}') == 1


def test_a_session_that_is_resumed_proves_whose_a_data_connection_is(serve, connect):
    serve()
    client = log_in(connect("198.51.100.7"))
    client.data_header = version_2("203.0.113.9")
    assert client.nlst() == []


def test_a_connection_without_a_header_gets_no_session(serve, setup, clients):
    serve(limits={"handshakeTimeoutSeconds": 1})
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

    def attempt(port, sent):
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as raw:
            raw.sendall(sent)
            return rest(raw)

    ports, sent = (setup.explicit, setup.implicit), (b"", b"PROXY", hello, b"AUTH TLS\r\n")
    attempts = list(itertools.product(ports, sent))
    assert at_once([partial(attempt, *each) for each in attempts]) == [b""] * len(attempts)
    assert clients.metric('ftps_server_refused_connections_total{reason="proxy"}') == len(attempts)
    assert clients.metric("ftps_server_sessions") == 0


def test_a_header_of_who_is_no_proxy_is_not_believed(serve, setup, made, clients):
    serve()
    client = made("198.51.100.7")
    client.source = ("127.0.0.2", 0)
    with pytest.raises((EOFError, OSError)):
        client.connect("127.0.0.1", setup.explicit)
    wait_for(lambda: clients.metric('ftps_server_refused_connections_total{reason="proxy"}') == 1, "the count")


@pytest.mark.parametrize("header", [version_1("198.51.100.7"), b""])
def test_a_data_connection_past_the_proxy_is_refused(serve, connect, clients, header):
    serve(limits={"handshakeTimeoutSeconds": 1})
    client = log_in(connect("198.51.100.7"))
    client.data_source = ("127.0.0.2", 0)
    client.data_header = header
    assert refused_data(client).startswith("425 ")
    assert clients.metric('ftps_server_data_connections_total{tls="refused"}') == 1
    client.data_source, client.data_header = None, version_1("198.51.100.7")
    assert client.nlst() == []


def test_limits_count_the_clients_behind_a_proxy(serve, connect):
    serve(limits={"maxSessionsPerAddress": 1})
    connect("198.51.100.7")
    connect("198.51.100.8", version_2)
    assert refusal(lambda: connect("198.51.100.7", version_2)).startswith("421 Too many sessions from your address")


def test_a_ban_is_for_the_client_and_not_for_its_proxy(serve, connect):
    serve(limits={"ban": {"failures": 1, "seconds": 600}})
    assert refusal(lambda: log_in(connect("198.51.100.7"), password="wrong")).startswith("530 ")
    assert refusal(lambda: connect("198.51.100.7")).startswith("421 Too many failed logins")
    log_in(connect("198.51.100.8"))


def test_users_log_in_from_their_networks_only_also_behind_a_proxy(serve, setup, connect):
    setup.users(user(allowedCidrs=["198.51.100.0/24", "2001:db8::/32"]))
    serve()
    log_in(connect("198.51.100.7"))
    log_in(connect("2001:db8::7"))
    assert refusal(lambda: log_in(connect("127.0.0.1"))) == "530 Not from your address."


def test_the_announced_address_follows_the_client_behind_a_proxy(serve, setup, connect):
    setup.announce("203.0.113.1", overrides=[{"cidrs": ["198.51.100.0/24"], "address": "203.0.113.2"}])
    serve()
    inside, outside = log_in(connect("198.51.100.7")), log_in(connect("192.0.2.7"))
    assert "(203,0,113,2," in inside.sendcmd("PASV")
    assert "(203,0,113,1," in outside.sendcmd("PASV")
