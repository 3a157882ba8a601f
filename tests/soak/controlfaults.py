"""What bad clients and bad networks do to control connections. The server must end each in time."""

import ftplib
import socket
import ssl
import time
from contextlib import suppress

from soak.client import DEADLINE, HALF_A_HELLO, HOST, Client, drop, reset
from soak.ends import SLACK, Fault, leave, must_end, stays
from soak.scene import BIG, HANDSHAKE, LOGIN, PASSWORD, SLOW
from soak.worker import Worker

_SUSPECTS = 20
_UNREAD_QUESTIONS = 20_000


def raw(worker: Worker, *, implicit: bool) -> socket.socket:
    """A control connection without anything."""
    setup = worker.scene.setup
    port = setup.implicit if implicit else setup.explicit
    return socket.create_connection((HOST, port), DEADLINE, (worker.address, 0))


def after_auth(worker: Worker) -> socket.socket:
    """A control connection where the server waits for ClientHello."""
    if worker.rng.random() < 0.5:
        return raw(worker, implicit=True)
    sock = raw(worker, implicit=False)
    assert sock.recv(1000).startswith(b"220")
    sock.sendall(b"AUTH TLS\r\n")
    assert sock.recv(1000).startswith(b"234")
    return sock


# Before the login


def says_nothing(worker: Worker) -> None:
    with raw(worker, implicit=False) as sock:
        assert must_end(sock, LOGIN).endswith(b"421 Login timed out.\r\n")


def never_shakes_hands(worker: Worker) -> None:
    with after_auth(worker) as sock:
        must_end(sock, HANDSHAKE)


def stalls_in_its_hello(worker: Worker) -> None:
    with after_auth(worker) as sock:
        sock.sendall(HALF_A_HELLO)
        must_end(sock, HANDSHAKE)


def dribbles_its_hello(worker: Worker) -> None:
    """A byte now and then is no progress."""
    with after_auth(worker) as sock:
        begun = time.monotonic()
        with suppress(OSError):
            for byte in HALF_A_HELLO + bytes(100):
                sock.sendall(bytes([byte]))
                if worker.stopped.wait(0.2):
                    break
        must_end(sock, max(0.0, HANDSHAKE - (time.monotonic() - begun)))


def breaks_its_hello(worker: Worker) -> None:
    with after_auth(worker) as sock:
        sock.sendall(HALF_A_HELLO[: worker.rng.randint(0, len(HALF_A_HELLO))])
        if drop(sock, worker.rng) == "half-close":
            must_end(sock, HANDSHAKE)


def breaks_its_handshake(worker: Worker) -> None:
    """ServerHello comes, and the client does not go on."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = worker.rng.choice(worker.scene.contexts).wrap_bio(incoming, outgoing, server_hostname=HOST)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    with after_auth(worker) as sock:
        sock.sendall(outgoing.read())
        assert sock.recv(5)[:1] == b"\x16"
        if worker.rng.random() < 0.3 or drop(sock, worker.rng) == "half-close":
            must_end(sock, HANDSHAKE)


def talks_nonsense(worker: Worker) -> None:
    rng = worker.rng
    implicit = rng.random() < 0.5
    with raw(worker, implicit=implicit) as sock, suppress(ConnectionError):
        for _ in range(rng.randint(1, 5)):
            sock.sendall(rng.randbytes(rng.randint(1, 30_000)) + rng.choice((b"", b"\r\n")))
        if drop(sock, rng) == "half-close":
            must_end(sock, HANDSHAKE if implicit else LOGIN)


def goes_at_once(worker: Worker) -> None:
    with raw(worker, implicit=worker.rng.random() < 0.5) as sock:
        if drop(sock, worker.rng) == "half-close":
            must_end(sock, 0)


def suspect(worker: Worker) -> Client:
    """A session from an address that is nobody else's, as it may be banned. Raises BannedError."""
    try:
        return worker.connect(source=f"127.2.0.{worker.rng.randint(1, _SUSPECTS)}")
    except ftplib.error_temp as error:
        if not str(error).startswith("421 Too many failed logins"):
            raise
        worker.figures.count(banned=1)
        raise BannedError from None


class BannedError(Exception):
    """The server does not let the address in."""


def guesses(worker: Worker) -> None:
    """Until it is banned."""
    with suppress(BannedError):
        client = suspect(worker)
        if not isinstance(client.sock, ssl.SSLSocket):
            client.auth()
        for _ in range(2):
            with suppress(OSError, EOFError):
                client.sendcmd(f"USER {worker.rng.choice((worker.account.name, 'nobody'))}")
                client.expect("530", "421", line="PASS wrong")


def vanishes_while_its_password_is_checked(worker: Worker) -> None:
    with suppress(BannedError):
        client = suspect(worker)
        if not isinstance(client.sock, ssl.SSLSocket):
            client.auth()
        client.sendcmd(f"USER {SLOW}")
        client.putcmd(f"PASS {worker.rng.choice((PASSWORD, PASSWORD, 'wrong'))}")
        worker.stopped.wait(worker.rng.random() * 0.06)
        leave(worker, client)


# Logged in


def leaves(worker: Worker) -> None:
    with worker.session() as client:
        leave(worker, client)


def is_idle(worker: Worker) -> None:
    with worker.session() as client:
        stays(client)


def asks_without_reading(worker: Worker) -> None:
    with worker.session() as client:
        client.sock.settimeout(SLACK)
        with suppress(OSError):
            client.sock.sendall(b"NOOP\r\n" * _UNREAD_QUESTIONS)
        if worker.rng.random() < 0.5:
            client.reset()


def sends_junk(worker: Worker) -> None:
    """Inside TLS. The session goes on."""
    rng = worker.rng
    with worker.session() as client:
        junk = ("X" * rng.randint(1, 10_000), "RETR", "SITE", "STOR /", "PROT C", "RETR ../../etc/passwd", "\x7f\x01 x")
        for line in rng.sample(junk, 3):
            client.expect("425", "5", line=line)
        client.expect("200", line="NOOP")


def begins_anew(worker: Worker) -> None:
    """REIN, whether a data connection is waited for or not."""
    with worker.session() as client:
        if worker.rng.random() < 0.5:
            client.makepasv()
        client.expect("230", line="REIN")
        client.login(worker.account.name, PASSWORD, secure=False)
        client.expect("2", line="NOOP")


def vanishes_while_it_is_hashed(worker: Worker) -> None:
    with worker.session() as client:
        client.putcmd(f"{worker.rng.choice(('HASH', 'XMD5', 'XSHA512'))} {BIG}")
        worker.stopped.wait(worker.rng.random() * 0.02)
        leave(worker, client)


def breaks_tls(worker: Worker) -> None:
    """Bytes that are no record of TLS."""
    with worker.session() as client:
        sock = client.sock
        with socket.socket(fileno=socket.dup(sock.fileno())) as underneath:
            underneath.sendall(worker.rng.randbytes(100))
            must_end(underneath, 0)


def holds_up_the_greeting(worker: Worker) -> None:
    """Many connections at once, reset together."""
    sockets = [raw(worker, implicit=worker.rng.random() < 0.5) for _ in range(10)]
    for sock in sockets:
        reset(sock)


WEIGHTED: dict[Fault, int] = {
    says_nothing: 1,
    never_shakes_hands: 1,
    stalls_in_its_hello: 1,
    dribbles_its_hello: 1,
    breaks_its_hello: 2,
    breaks_its_handshake: 2,
    talks_nonsense: 2,
    goes_at_once: 2,
    guesses: 1,
    vanishes_while_its_password_is_checked: 3,
    leaves: 3,
    is_idle: 1,
    asks_without_reading: 1,
    sends_junk: 1,
    begins_anew: 2,
    vanishes_while_it_is_hashed: 2,
    breaks_tls: 1,
    holds_up_the_greeting: 1,
}
