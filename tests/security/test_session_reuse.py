"""Whether a data connection must resume its control connection's TLS session: as the server, or the user, has it."""

import os

import pytest

from ftps_server.config import PassivePorts
from security.harness import ELSEWHERE, DataClient, RefusedError, ask, data_of, failure, logged_in, offered
from unit.ftps_server.harness import user

CONTENT = os.urandom(20_000)
NOT_RESUMED = "522 The data connection must resume the TLS session of the control connection."
AMBIGUOUS = "425 The data connection cannot be told from another one's; try again, or resume the TLS session."
MUST_RESUME = [("Required", None), ("Required", "Required"), ("Preferred", "Required"), ("Off", "Required")]
NEED_NOT = [("Preferred", None), ("Off", None), ("Required", "Preferred"), ("Required", "Off"), ("Off", "Preferred")]


@pytest.fixture
def serve(setup, start):
    """Start a server with its own mind, and its user's."""

    def begin(servers, users=None, *, ports=None):
        setup.configure(tls={"dataSessionReuse": servers})
        setup.users(user(**({} if users is None else {"dataSessionReuse": users})), user("bob"))
        for name in ("alice", "bob"):
            (setup.storage / name).mkdir()
            (setup.storage / name / "file").write_bytes(name.encode() + CONTENT)
        if ports is not None:
            setup.passive = PassivePorts(first=setup.passive.first, last=setup.passive.first + ports - 1)
        start()

    return begin


def asking(client, command="RETR file"):
    """The port where a command waits for its data connection."""
    port = offered(client)
    ask(client, command)
    return port


def stranger_to(client, port, **details):
    """A data connection of the session's client that does not resume the session."""
    return DataClient(client.context, port, **details)


def refuses(data):
    with data, pytest.raises(RefusedError):
        data.shake_hands()
    return data.first_answer == b""


@pytest.mark.parametrize(("servers", "users"), MUST_RESUME + NEED_NOT)
def test_who_resumes_is_served(clients, serve, servers, users):
    serve(servers, users)
    client = logged_in(clients)
    with data_of(client, asking(client)) as data:
        assert data.download() == b"alice" + CONTENT
    assert client.getresp().startswith("226 ")


@pytest.mark.parametrize(("servers", "users"), MUST_RESUME)
@pytest.mark.usefixtures("impatient")
def test_who_does_not_resume_is_refused_where_it_must(clients, serve, setup, servers, users):
    serve(servers, users)
    client = logged_in(clients)
    for command in ("RETR file", "STOR other"):
        assert refuses(stranger_to(client, asking(client, command)))
        assert failure(client) == NOT_RESUMED
    # The control connection goes on: nothing was given away that could be used.
    assert client.nlst() == ["file"]
    assert clients.metric('ftps_server_data_connections_total{tls="refused"}') == 2
    assert clients.metric('ftps_server_data_connections_total{tls="full"}') is None


@pytest.mark.parametrize(("servers", "users"), NEED_NOT)
def test_who_does_not_resume_is_served_where_it_need_not(clients, serve, setup, servers, users):
    serve(servers, users)
    client = logged_in(clients)
    with stranger_to(client, asking(client)) as data:
        assert data.download() == b"alice" + CONTENT
    assert client.getresp().startswith("226 ")
    with stranger_to(client, asking(client, "STOR other")) as data:
        data.upload(CONTENT)
    assert client.getresp().startswith("226 ")
    assert (setup.storage / "alice/other").read_bytes() == CONTENT
    assert clients.metric('ftps_server_data_connections_total{tls="full"}') == 2


@pytest.mark.parametrize(("servers", "users"), [("Required", None), ("Preferred", None), ("Off", None)])
@pytest.mark.usefixtures("impatient")
def test_from_another_address_one_must_resume(clients, serve, servers, users):
    serve(servers, users)
    client = logged_in(clients)
    port = asking(client)
    assert refuses(stranger_to(client, port, source=ELSEWHERE))
    # Anybody can connect from anywhere: the client does not hear of it.
    with data_of(client, port, source=ELSEWHERE) as data:
        assert data.download() == b"alice" + CONTENT
    assert client.getresp().startswith("226 ")


@pytest.mark.parametrize("policy", ["Preferred", "Off"])
@pytest.mark.usefixtures("impatient")
def test_two_that_cannot_be_told_apart_are_both_refused(clients, serve, policy):
    serve(policy, ports=1)
    alice, bob = logged_in(clients), logged_in(clients, "bob")
    port = asking(alice)
    assert asking(bob) == port
    assert refuses(stranger_to(bob, port))
    assert [failure(alice), failure(bob)] == [AMBIGUOUS, AMBIGUOUS]
    # One at a time there is no doubt.
    for client, name in ((alice, b"alice"), (bob, b"bob")):
        with stranger_to(client, asking(client)) as data:
            assert data.download() == name + CONTENT
        assert client.getresp().startswith("226 ")


@pytest.mark.usefixtures("patient")
def test_two_that_cannot_be_told_apart_are_served_if_they_resume_after_all(clients, serve):
    serve("Off", ports=1)
    alice, bob = logged_in(clients), logged_in(clients, "bob")
    port = asking(alice)
    assert asking(bob) == port
    assert refuses(stranger_to(alice, port))
    for client, name in ((bob, b"bob"), (alice, b"alice")):
        with data_of(client, port) as data:
            assert data.download() == name + CONTENT
        assert client.getresp().startswith("226 ")


@pytest.mark.usefixtures("impatient")
def test_who_need_not_resume_is_not_taken_for_who_must(clients, serve):
    serve("Off", "Required", ports=1)
    alice, bob = logged_in(clients), logged_in(clients, "bob")
    port = asking(alice)
    assert asking(bob) == port
    # It may be a client of alice's that does not resume, and then it must not get what is bob's.
    assert refuses(stranger_to(alice, port))
    assert failure(bob) == AMBIGUOUS
    with data_of(alice, port) as data:
        assert data.download() == b"alice" + CONTENT
    assert alice.getresp().startswith("226 ")
