"""A server that takes none of the keys that ClientHello brings asks for another one (HelloRetryRequest, RFC 8446).

Only the second ClientHello shows whose a connection is. Here the server's curves are few, as an administrator who obeys
FIPS has them, so that it asks each client.
"""

import os
from contextlib import suppress

import pytest

from ftps_server.config import PassivePorts
from ftps_server.protocol.tlsstream import asks_to_retry
from ftps_server.tls import Identity
from security.harness import TLS_1_3, DataClient, RefusedError, ask, data_of, failure, logged_in, offered
from unit.ftps_server.harness import user

CONTENT = os.urandom(20_000)


@pytest.fixture
def serve(setup, start, monkeypatch):
    context = Identity.context

    def picky(self):
        made = context(self)
        made.set_ecdh_curve("secp521r1")
        return made

    monkeypatch.setattr(Identity, "context", picky)

    def begin(reuse="Required", *, ports=5):
        setup.passive = PassivePorts(first=setup.passive.first, last=setup.passive.first + ports - 1)
        setup.configure(tls={"dataSessionReuse": reuse})
        setup.users(user(), user("bob"))
        for name in ("alice", "bob"):
            (setup.storage / name).mkdir()
            (setup.storage / name / "file").write_bytes(name.encode() + CONTENT)
        start()

    return begin


def asking(client):
    port = offered(client)
    ask(client, "RETR file")
    return port


def test_a_client_that_is_asked_is_served(clients, setup, serve):
    serve()
    client = logged_in(clients, version=TLS_1_3)
    with data_of(client, asking(client)) as data:
        assert data.download() == b"alice" + CONTENT
        assert asks_to_retry(data.first_answer)
    assert client.getresp().startswith("226 ")
    port = offered(client)
    ask(client, "STOR other")
    with data_of(client, port) as data:
        data.upload(CONTENT)
    assert client.getresp().startswith("226 ")
    assert (setup.storage / "alice/other").read_bytes() == CONTENT
    assert clients.metric('ftps_server_data_connections_total{tls="resumed"}') == 2


@pytest.mark.usefixtures("impatient")
def test_who_does_not_resume_is_asked_and_gets_nothing_else(clients, serve):
    serve()
    client = logged_in(clients, version=TLS_1_3)
    with DataClient(client.context, asking(client)) as data, pytest.raises(RefusedError):
        data.shake_hands()
    assert asks_to_retry(data.first_answer)
    with suppress(ValueError):  # there is no session yet: OpenSSL 3.0 says so, 3.5 has an empty one
        assert not data.tls.tls.session.id
    assert failure(client).startswith("522 The data connection must resume")
    assert client.nlst() == ["file"]


def test_who_need_not_resume_is_asked_and_served(clients, serve):
    serve("Off")
    client = logged_in(clients, version=TLS_1_3)
    with DataClient(client.context, asking(client)) as data:
        assert data.download() == b"alice" + CONTENT
    assert client.getresp().startswith("226 ")


@pytest.mark.parametrize("reuse", ["Required", "Off"])
@pytest.mark.usefixtures("impatient")
def test_two_at_one_port_are_told_apart(clients, serve, reuse):
    serve(reuse, ports=1)
    alice, bob = logged_in(clients, version=TLS_1_3), logged_in(clients, "bob", version=TLS_1_3)
    ports = {asking(alice), asking(bob)}
    assert len(ports) == 1
    for client, name in ((bob, b"bob"), (alice, b"alice")):
        with data_of(client, *ports) as data:
            assert data.download() == name + CONTENT
        assert client.getresp().startswith("226 ")


@pytest.mark.usefixtures("patient")
def test_who_does_not_resume_is_no_harm_to_those_who_do(clients, serve):
    serve(ports=1)
    alice, bob = logged_in(clients, version=TLS_1_3), logged_in(clients, "bob", version=TLS_1_3)
    port = asking(alice)
    assert asking(bob) == port
    with DataClient(clients.context(TLS_1_3), port) as data, pytest.raises(RefusedError):
        data.shake_hands()
    for client, name in ((alice, b"alice"), (bob, b"bob")):
        with data_of(client, port) as data:
            assert data.download() == name + CONTENT
        assert client.getresp().startswith("226 ")
