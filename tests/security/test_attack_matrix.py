"""A victim transfers, and somebody with its address is at the passive port first: no byte goes either way."""

import os

import pytest

from security import attackers
from security.harness import TLS_1_2, TLS_1_3, ask, data_of, failure, logged_in, offered
from unit.ftps_server.harness import user

CONTENT = os.urandom(1_100_000)
"""So much that the kernel encrypts it, where it can."""
REJECTED = ["no session", "replayed ClientHello", "garbage", "half a ClientHello"]
"""Whom the server turns away when it has left, at the latest."""


@pytest.fixture(params=attackers.ALL.values(), ids=attackers.ALL)
def attack(request):
    return request.param


# TLS does not know what ports are shared: with ports of one's own, one version is enough.
IN_EACH_WAY = pytest.mark.parametrize(
    ("shared", "version"),
    [(True, TLS_1_2), (True, TLS_1_3), (False, TLS_1_3)],
    ids=["shared-TLSv1.2", "shared-TLSv1.3", "own-TLSv1.3"],
)


@pytest.fixture
def _running(shared, setup, start):
    setup.users(user(), user("mallory"))
    setup.configure(passive={"sharedPorts": shared})
    for name in ("alice", "mallory"):
        (setup.storage / name).mkdir()
    (setup.storage / "alice/secret").write_bytes(CONTENT)
    start()


@pytest.fixture
def scene(clients, attack, version, _running):
    """The victim, and who is after its transfer."""
    victim = logged_in(clients, version=version)
    attacker = attack(clients, version)
    attacker.prepare(victim)
    yield victim, attacker
    attacker.leave()


@IN_EACH_WAY
@pytest.mark.usefixtures("patient")
def test_who_connects_first_gets_no_byte_of_a_download(scene):
    victim, attacker = scene
    port = offered(victim)
    ask(victim, "RETR secret")
    attacker.strike(port)
    with data_of(victim, port) as data:
        assert data.download() == CONTENT
    assert victim.getresp().startswith("226 ")
    attacker.look_again()
    assert attacker.got == b""
    assert victim.voidcmd("NOOP").startswith("200 ")


@IN_EACH_WAY
@pytest.mark.usefixtures("patient")
def test_who_connects_first_gives_no_byte_of_an_upload(scene, setup):
    victim, attacker = scene
    port = offered(victim)
    # Before the command: what was taken then would wait for it.
    attacker.plants = True
    attacker.strike(port)
    ask(victim, "STOR file")
    with data_of(victim, port) as data:
        data.upload(CONTENT)
    assert victim.getresp().startswith("226 ")
    assert (setup.storage / "alice/file").read_bytes() == CONTENT
    # In step: there is no other 226.
    assert victim.voidcmd("NOOP").startswith("200 ")


@IN_EACH_WAY
@pytest.mark.parametrize("attack", [attackers.ALL[name] for name in REJECTED], ids=REJECTED)
@pytest.mark.usefixtures("impatient")
def test_a_victim_that_does_not_come_in_time_is_told_and_may_try_again(scene):
    victim, attacker = scene
    port = offered(victim)
    ask(victim, "RETR secret")
    attacker.strike(port)
    attacker.leave()
    assert failure(victim).startswith("522 ")
    parts = []
    assert victim.retrbinary("RETR secret", parts.append).startswith("226 ")
    assert b"".join(parts) == CONTENT
