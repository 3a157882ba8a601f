"""What bad clients and bad networks do in the middle of uploads. The session is told, and nothing is left over."""

import ftplib
import socket
import ssl
from contextlib import suppress

from soak.client import Client, drop, half_close, reset
from soak.content import Content
from soak.ends import SLACK, Fault, goes_on, leave, must_end, no_room, patience
from soak.honest import open_data, over_quota
from soak.scene import TRANSFER
from soak.worker import Worker


def _begin_upload(worker: Worker, client: Client) -> tuple[ssl.SSLSocket, Content, int]:
    """The target is a file of the worker's, new or not, that must not change. It will be cut off."""
    name, pool = worker.target(), worker.scene.pool
    content = pool.choose(worker.rng)
    sent = worker.rng.randint(0, content.size)
    worker.cut.add(name)
    data = open_data(worker, client, f"STOR {name}")
    with suppress(OSError):
        data.sendall(pool.view(content, 0, sent))
    return data, content, sent


def _expect_cut(worker: Worker, client: Client, seconds: float = 0) -> None:
    client.sock.settimeout(seconds + patience(worker))
    answer = client.expect("426", "552")
    assert worker.account.is_tight or answer.startswith("426"), answer
    goes_on(worker, client)


def cuts_its_upload(worker: Worker) -> None:
    with worker.session() as client, no_room(worker):
        data, _, _ = _begin_upload(worker, client)
        with data:
            drop(data, worker.rng)
            _expect_cut(worker, client)


def breaks_tls_in_its_upload(worker: Worker) -> None:
    with worker.session() as client, no_room(worker):
        data, _, _ = _begin_upload(worker, client)
        with data, socket.socket(fileno=socket.dup(data.fileno())) as underneath:
            with suppress(OSError):
                underneath.sendall(worker.rng.randbytes(100))
                half_close(underneath)
            _expect_cut(worker, client)


def stalls_in_its_upload(worker: Worker) -> None:
    with worker.session() as client, no_room(worker):
        data, _, _ = _begin_upload(worker, client)
        with data:
            _expect_cut(worker, client, TRANSFER)
            must_end(data, 0)


def aborts_its_upload(worker: Worker) -> None:
    with worker.session() as client, no_room(worker):
        data, _, _ = _begin_upload(worker, client)
        with data:
            client.putcmd("ABOR")
            client.sock.settimeout(SLACK)
            if client.expect("426", "552").startswith("426"):
                client.expect("226")
            else:
                client.expect("225")
        goes_on(worker, client)


def vanishes_in_its_upload(worker: Worker) -> None:
    with worker.session() as client, no_room(worker):
        data, _, _ = _begin_upload(worker, client)
        with data:
            if worker.rng.random() < 0.5:
                reset(data)
                client.reset()
            else:
                leave(worker, client)
                must_end(data, 0)


def vanishes_at_the_end_of_its_upload(worker: Worker) -> None:
    """All is sent, and the client does not wait for the answer: it is the new file or the old one."""
    with worker.session() as client, no_room(worker):
        name, content = worker.target(), worker.scene.pool.choose(worker.rng)
        before = worker.before(name)
        worker.cut.add(name)
        data = open_data(worker, client, f"STOR {name}")
        worker.is_now(name, content, *before)
        with data, suppress(OSError):
            data.sendall(worker.scene.pool.view(content))
            data.setblocking(False)
            data.unwrap()
        leave(worker, client)


def quits_in_its_upload(worker: Worker) -> None:
    """RFC 959: the server closes when the transfer has ended."""
    with worker.session() as client:
        name, content = worker.target(), worker.scene.pool.choose(worker.rng)
        before = worker.before(name)
        worker.is_now(name, content, *before)
        half = content.size // 2
        try:
            data = open_data(worker, client, f"STOR {name}")
            with data:
                data.sendall(worker.scene.pool.view(content, 0, half))
                client.putcmd("QUIT")
                data.sendall(worker.scene.pool.view(content, half))
                data.unwrap()
        except (OSError, ftplib.error_perm):
            if not worker.account.is_tight:
                raise
            return
        answers = [client.answer(), client.answer()]
        if worker.account.is_tight and any(answer.startswith("552") for answer in answers):
            return
        assert sorted(answer[:3] for answer in answers) == ["221", "226"], answers
        worker.is_now(name, content)
        must_end(client.sock, 0)


def asks_for_more_in_its_upload(worker: Worker) -> None:
    """One transfer at a time: the upload goes on as if nothing had been asked."""
    rng, pool = worker.rng, worker.scene.pool
    with worker.session() as client, no_room(worker):
        name, content = worker.target(), pool.choose(rng)
        before = worker.before(name)
        data = open_data(worker, client, f"STOR {name}")
        worker.is_now(name, content, *before)
        half = content.size // 2
        with data:
            try:
                data.sendall(pool.view(content, 0, half))
                _ask_for_more(worker, client)
                data.sendall(pool.view(content, half))
                data.unwrap()
            except OSError:
                client.voidresp()  # says why
                raise
        client.sock.settimeout(patience(worker))
        client.voidresp()
        worker.is_now(name, content)


def _ask_for_more(worker: Worker, client: Client) -> None:
    family = 2 if client.af == socket.AF_INET6 else 1
    active = f"EPRT |{family}|{client.source_address[0]}|9999|"
    for line in (*worker.rng.sample(("EPSV", "PASV", "RETR /big", "LIST", "APPE x", active), 3), "STAT"):
        answer = client.expect("211" if line == "STAT" else "450", "552", line=line)
        if answer.startswith("552"):
            raise ftplib.error_perm(answer)
    if worker.rng.random() < 0.3:
        client.expect("230", line="REIN")


def loses_the_folder_of_its_upload(worker: Worker) -> None:
    """It is removed while the upload goes on."""
    with worker.session() as client:
        folder = f"gone{worker.rng.randrange(1000)}"
        client.mkd(folder)
        try:
            data = open_data(worker, client, f"STOR {folder}/file")
        except ftplib.error_perm as error:
            client.rmd(folder)
            over_quota(worker, error)
            return
        with data:
            data.sendall(bytes(1000))
            client.rmd(folder)
            with suppress(OSError):
                data.unwrap()
        client.sock.settimeout(patience(worker))
        client.expect("426", "550", "552")
        goes_on(worker, client)


WEIGHTED: dict[Fault, int] = {
    asks_for_more_in_its_upload: 3,
    loses_the_folder_of_its_upload: 2,
    cuts_its_upload: 4,
    breaks_tls_in_its_upload: 1,
    stalls_in_its_upload: 1,
    aborts_its_upload: 2,
    vanishes_in_its_upload: 3,
    vanishes_at_the_end_of_its_upload: 2,
    quits_in_its_upload: 2,
}
