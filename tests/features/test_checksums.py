"""Hashes of files, on the server, beside its other work."""

import hashlib
import os
import time
import zlib

import pytest

from features.harness import home, refusal, upload
from unit.ftps_server.harness import user, wait_for

CONTENT = os.urandom(3 << 20)
DIGESTS = {
    "XCRC": lambda data: f"{zlib.crc32(data):08x}",
    "XMD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "XSHA": lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    "XSHA1": lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest(),
    "XSHA256": lambda data: hashlib.sha256(data).hexdigest(),
    "XSHA512": lambda data: hashlib.sha512(data).hexdigest(),
}
ALGORITHMS = {"CRC32": "XCRC", "MD5": "XMD5", "SHA-1": "XSHA1", "SHA-256": "XSHA256", "SHA-512": "XSHA512"}


@pytest.fixture
def client(setup, server, clients):
    (home(setup) / "file").write_bytes(CONTENT)
    (home(setup) / "größe 1 2").write_bytes(CONTENT)
    return clients.login()


@pytest.mark.parametrize("command", DIGESTS)
def test_a_file_and_a_part_of_it_are_hashed(client, command):
    digest = DIGESTS[command]
    assert client.sendcmd(f"{command} file") == f"250 {digest(CONTENT)}"
    assert client.sendcmd(f"{command} file 100 2000") == f"250 {digest(CONTENT[100:2000])}"
    assert client.sendcmd(f'{command} "/größe 1 2" 100 2000') == f"250 {digest(CONTENT[100:2000])}"
    assert client.sendcmd(f'{command} "größe 1 2"') == f"250 {digest(CONTENT)}"
    assert client.sendcmd(f"{command} file 0 0") == f"250 {digest(b'')}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_hash_of_a_file_is_told_by_the_algorithm_that_was_chosen(client, algorithm):
    assert client.sendcmd("OPTS HASH") == "200 SHA-256"
    assert client.sendcmd(f"OPTS HASH {algorithm.lower()}") == f"200 {algorithm}"
    assert f" HASH {';'.join(f'{each}*' if each == algorithm else each for each in ALGORITHMS)}" in client.sendcmd(
        "FEAT"
    )
    digest = DIGESTS[ALGORITHMS[algorithm]](CONTENT)
    assert client.sendcmd("HASH größe 1 2") == f"213 {algorithm} 0-{len(CONTENT)} {digest} größe 1 2"


def test_what_cannot_be_hashed_is_told(client, setup):
    (home(setup) / "folder").mkdir()
    os.mkfifo(home(setup) / "pipe")
    for name in ("folder", "pipe", "nothing", "../../etc/passwd"):
        assert refusal(lambda name=name: client.sendcmd(f"HASH {name}")).startswith("550 ")
        assert refusal(lambda name=name: client.sendcmd(f"XCRC {name}")).startswith("550 ")
    assert refusal(lambda: client.sendcmd("OPTS HASH MD4")).startswith("501 ")
    assert refusal(lambda: client.sendcmd("XCRC file 10")).startswith(("501 ", "550 "))
    assert refusal(lambda: client.sendcmd("XCRC file 10 5")).startswith("501 ")
    assert client.sendcmd("OPTS HASH") == "200 SHA-256"


def test_only_who_may_read_a_file_learns_its_hash(setup, start, clients):
    setup.users(user(directories=[{"path": "/secret", "permissions": "WriteOnly"}]))
    start()
    client = clients.login()
    (setup.storage / "alice/secret").mkdir()
    upload(client, "secret/file")
    for command in ("HASH", "XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512"):
        assert refusal(lambda command=command: client.sendcmd(f"{command} secret/file")) == "550 Not enough privileges."


# A large file


@pytest.fixture
def endless(setup):
    """A file that nobody has hashed before the test is over."""
    with (home(setup) / "endless").open("wb") as file:
        file.truncate(1 << 42)


@pytest.fixture
def hashing(clients, endless, server):
    client = clients.login()
    client.putcmd("HASH endless")
    return client


def test_others_are_answered_while_a_large_file_is_hashed(clients, hashing, server):
    wait_for(lambda: server._services.checksums._jobs, "the hash")
    other = clients.login()
    waits, end = [], time.monotonic() + 0.7
    while time.monotonic() < end:
        begin = time.monotonic()
        other.voidcmd("NOOP")
        waits.append(time.monotonic() - begin)
    assert sorted(waits)[len(waits) * 99 // 100] < 0.1
    upload(other, "file")
    assert len(other.sendcmd("XMD5 file")) == len("250 ") + 32


@pytest.mark.parametrize("end", ["disconnect", "ABOR"])
def test_a_hash_that_nobody_wants_any_more_is_not_computed_to_its_end(clients, hashing, server, end):
    jobs = server._services.checksums._jobs
    wait_for(lambda: jobs, "the hash")
    if end == "disconnect":
        hashing.close()
        wait_for(lambda: not jobs and clients.metric("ftps_server_sessions") == 0, "the session's end", 3)
    else:
        hashing.putcmd("ABOR")
        wait_for(lambda: not jobs, "the hash's end", 3)
        assert refusal(hashing.getresp)[0] in "45"
        assert hashing.getresp().startswith("22")
        assert hashing.voidcmd("NOOP").startswith("200 ")
    assert not jobs


def test_who_waits_for_a_hash_is_not_idle(setup, start, clients, endless):
    setup.configure(limits={"idleTimeoutSeconds": 1})
    server = start()
    client = clients.login()
    client.putcmd("HASH endless")
    wait_for(lambda: server._services.checksums._jobs, "the hash")
    # Whose last command is a later one.
    idle = clients.login()
    assert refusal(idle.getresp).startswith("421 ")
    assert server._services.checksums._jobs
    wait_for(lambda: clients.metric("ftps_server_sessions") == 1, "the idle session's end")
