"""What bad clients and bad networks do in the middle of downloads. The session is told, and nothing is left over."""

import socket
import ssl
from contextlib import closing, suppress

from soak.client import CHUNK, Client, drop, reset
from soak.ends import SLACK, Fault, goes_on, leave, must_end, patience
from soak.honest import open_data
from soak.scene import BIG, MANY, TRANSFER
from soak.worker import Worker

_SMALL_WINDOW = 1 << 14


def _begin_download(worker: Worker, client: Client) -> ssl.SSLSocket:
    data = open_data(worker, client, f"RETR {BIG}")
    data.recv(worker.rng.randint(1, CHUNK))
    return data


def cuts_its_download(worker: Worker) -> None:
    with worker.session() as client, closing(_begin_download(worker, client)) as data:
        if drop(data, worker.rng) == "half-close":
            must_end(data, patience(worker))  # the server need not notice
        client.sock.settimeout(patience(worker))
        client.expect("426", "226")
        goes_on(worker, client)


def never_reads(worker: Worker) -> None:
    with worker.session() as client:
        where = client.makepasv()
        raw = socket.socket(socket.AF_INET6 if client.host == "::1" else socket.AF_INET)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
        raw.settimeout(SLACK)
        raw.bind(client.source_address)
        raw.connect(where)
        client.expect("150", line=f"RETR {BIG}")
        with client.secured(raw):
            client.sock.settimeout(TRANSFER + patience(worker))
            client.expect("426")
            goes_on(worker, client)


def aborts_its_download(worker: Worker) -> None:
    with worker.session() as client:
        data = _begin_download(worker, client)
        client.putcmd("ABOR")
        with data, suppress(OSError):
            while data.recv(CHUNK):
                pass
        client.sock.settimeout(SLACK)
        answers = [client.answer()[:3], client.answer()[:3]]
        assert answers in (["426", "226"], ["226", "225"]), answers
        goes_on(worker, client)


def vanishes_in_its_download(worker: Worker) -> None:
    with worker.session() as client, closing(_begin_download(worker, client)) as data:
        if worker.rng.random() < 0.5:
            reset(data)
        leave(worker, client)


def vanishes_in_its_listing(worker: Worker) -> None:
    with worker.session() as client:
        data = open_data(worker, client, f"{worker.rng.choice(('NLST', 'LIST', 'MLSD'))} {MANY}")
        if worker.rng.random() < 0.5:
            reset(data)
            client.expect("226", "426")
            goes_on(worker, client)
        else:
            leave(worker, client)
            data.close()


def quits_in_its_download(worker: Worker) -> None:
    with worker.session() as client:
        data = _begin_download(worker, client)
        client.putcmd("QUIT")
        with data:
            while data.recv(CHUNK):
                pass
        answers = [client.answer()[:3], client.answer()[:3]]
        assert sorted(answers) == ["221", "226"], answers
        must_end(client.sock, 0)


WEIGHTED: dict[Fault, int] = {
    vanishes_in_its_listing: 2,
    cuts_its_download: 3,
    never_reads: 1,
    aborts_its_download: 2,
    vanishes_in_its_download: 3,
    quits_in_its_download: 2,
}
