"""How connections end, and what a session does after something has failed."""

import ftplib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from soak.client import Client, wait_for_end
from soak.honest import over_quota
from soak.scene import IDLE
from soak.worker import Worker

SLACK = 5.0
"""The machine is busy with others, too."""
STAYS = 0.1

Fault = Callable[[Worker], None]


def must_end(sock: socket.socket, seconds: float) -> bytes:
    """The server ends the connection in about this time; what it said before."""
    return wait_for_end(sock, seconds + SLACK)


def leave(worker: Worker, client: Client) -> None:
    """End a session in one of the ways that are none."""
    how = worker.rng.choice(("reset", "close", "half-close"))
    if how == "reset":
        client.reset()
    elif how == "close":
        client.close()
    else:
        sock = client.sock
        socket.socket.shutdown(sock, socket.SHUT_WR)
        must_end(sock, 0)


def stays(client: Client) -> None:
    """Whatever went before: who does nothing is sent away."""
    client.sock.settimeout(IDLE + SLACK)
    client.expect("421")


def patience(worker: Worker) -> float:
    """How long to wait for a transfer that goes on: where bandwidth is limited it takes a while till it is noticed."""
    return 120.0 if worker.account.is_slow else SLACK


@contextmanager
def no_room(worker: Worker) -> Iterator[None]:
    """It is well when the quota was reached before anything was broken."""
    try:
        yield
    except ftplib.error_perm as error:
        over_quota(worker, error)


def goes_on(worker: Worker, client: Client) -> None:
    """The session does; and it has its time-out again."""
    client.expect("200", line="NOOP")
    if worker.rng.random() < STAYS:
        stays(client)
