"""What bad clients and bad networks do to data connections before there is a transfer. The session is told."""

import socket
import ssl
from contextlib import ExitStack, suppress

from soak.client import CHUNK, HALF_A_HELLO, Client, drop, reset
from soak.ends import SLACK, STAYS, Fault, goes_on, leave, must_end, patience, stays
from soak.honest import receive
from soak.scene import BIG, HANDSHAKE, PASSWORD, TRANSFER
from soak.worker import Worker

GRACE = 1.0
"""How long the right client may still come after a wrong one."""


def never_connects(worker: Worker) -> None:
    with worker.session() as client:
        client.makepasv()
        client.sock.settimeout(HANDSHAKE + SLACK)
        client.expect("150", line=f"RETR {BIG}")
        client.expect("425")
        goes_on(worker, client)


def asks_for_a_port_and_goes(worker: Worker) -> None:
    with worker.session() as client:
        for _ in range(worker.rng.randint(1, 3)):
            client.makepasv()
        leave(worker, client)


def gives_up_before_it_connects(worker: Worker) -> None:
    """While a command waits for the data connection."""
    with worker.session() as client:
        where = client.makepasv()
        name = worker.target()
        worker.cut.add(name)
        try:
            client.expect("150", line=worker.rng.choice((f"RETR {BIG}", f"STOR {name}", "LIST")))
        except AssertionError:
            if not worker.account.is_tight:
                raise
            return
        how = worker.rng.choice(("QUIT", "REIN", "ABOR", "leave"))
        if how == "leave":
            leave(worker, client)
        elif how == "QUIT":
            client.expect("221", line=how)
        elif how == "REIN":
            client.expect("230", line=how)
            client.login(worker.account.name, PASSWORD, secure=False)
            client.prot_p()
            client.voidcmd("TYPE I")
            worker.scene.pool.check(worker.scene.pool.whole, receive(worker, client, f"RETR {BIG}"))
        else:
            client.expect("426", line=how)
            client.expect("226")
        with suppress(OSError), socket.create_connection(where, SLACK, client.source_address) as late:
            must_end(late, HANDSHAKE)
        if how in {"ABOR", "REIN"}:
            goes_on(worker, client)


def changes_its_mind(worker: Worker) -> None:
    """The last port that was asked for is the one that counts."""
    rng = worker.rng
    with worker.session() as client, ExitStack() as stack:
        for _ in range(rng.randint(1, 3)):
            sock = client.connected()
            if rng.random() < 0.5:
                sock = client.secured(sock)
            if rng.random() < 0.5:
                sock.close()
            else:
                stack.enter_context(sock)
            if rng.random() < 0.3:
                client.expect("225", line="ABOR")
        received = receive(worker, client, f"RETR {BIG}")
        worker.scene.pool.check(worker.scene.pool.whole, received)
        if rng.random() < STAYS:
            client.secured(client.connected())
            stays(client)


def _waits_in_vain(worker: Worker, client: Client, sock: socket.socket) -> None:
    client.sock.settimeout(HANDSHAKE + GRACE + SLACK)
    client.expect("150", line=f"RETR {BIG}")
    client.expect("425", "522")
    must_end(sock, HANDSHAKE)
    goes_on(worker, client)


def connects_and_says_nothing(worker: Worker) -> None:
    with worker.session() as client, client.connected() as sock:
        _waits_in_vain(worker, client, sock)


def stalls_in_its_data_hello(worker: Worker) -> None:
    with worker.session() as client, client.connected() as sock:
        sock.sendall(HALF_A_HELLO)
        _waits_in_vain(worker, client, sock)


def talks_nonsense_over_data(worker: Worker) -> None:
    with worker.session() as client, client.connected() as sock:
        with suppress(ConnectionError):
            sock.sendall(worker.rng.randbytes(worker.rng.randint(1, 1000)))
        _waits_in_vain(worker, client, sock)


def stalls_in_its_data_handshake(worker: Worker) -> None:
    """ServerHello comes, and the client does not go on."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with worker.session() as client, client.connected() as sock:
        session = client.sock.session if client.resumes else None
        tls = client.context.wrap_bio(incoming, outgoing, server_hostname=client.host, session=session)
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        sock.sendall(outgoing.read())
        if worker.rng.random() < 0.5:
            drop(sock, worker.rng)
        client.sock.settimeout(HANDSHAKE + GRACE + SLACK)
        client.expect("150", line=f"RETR {BIG}")
        client.expect("425", "522")
        goes_on(worker, client)


def breaks_before_its_data_handshake(worker: Worker) -> None:
    with worker.session() as client, client.connected() as sock:
        sock.sendall(HALF_A_HELLO[: worker.rng.randint(0, len(HALF_A_HELLO))])
        drop(sock, worker.rng)
        client.sock.settimeout(HANDSHAKE + GRACE + SLACK)
        client.expect("150", line=f"RETR {BIG}")
        client.expect("425", "522")


def does_not_resume(worker: Worker) -> None:
    if not worker.account.must_resume:
        return
    with worker.session() as client:
        client.resumes = False
        with suppress(OSError, EOFError), client.late(f"RETR {BIG}") as data:
            assert not data.recv(1), "a byte without resumption"
        client.expect("522")
        goes_on(worker, client)


def lets_a_stranger_go_first(worker: Worker) -> None:
    """Somebody else talks nonsense to the port. The client gets its file nevertheless."""
    with worker.session() as client:
        where = client.makepasv()
        strange = socket.create_connection(where, SLACK, None if client.host == "::1" else ("127.3.0.1", 0))
        with strange:
            strange.sendall(worker.rng.choice((worker.rng.randbytes(50), HALF_A_HELLO, b"")))
            drop(strange, worker.rng)
            client.expect("150", line=f"RETR {BIG}")
            received = b""
            with client.secured(socket.create_connection(where, SLACK, client.source_address)) as data:
                while part := data.recv(CHUNK):
                    received += part
        client.voidresp()
        worker.scene.pool.check(worker.scene.pool.whole, received)


def breaks_between_handshake_and_command(worker: Worker) -> None:
    with worker.session() as client:
        data = client.secured(client.connected())
        drop(data, worker.rng)
        with data:
            client.sock.settimeout(TRANSFER + patience(worker))
            answer = client.expect("125", "425", line=f"RETR {BIG}")
            if answer.startswith("125"):
                client.expect("426")
        goes_on(worker, client)


def connects_to_nobody(worker: Worker) -> None:
    """Active mode: nobody listens, or nobody accepts, or who accepts resets."""
    rng = worker.rng
    with worker.session() as client:
        if client.af != socket.AF_INET:
            return
        listener = socket.create_server((worker.address, 0))
        port = listener.getsockname()[1]
        with listener:
            if rng.random() < 0.4:
                listener.close()
                client.expect("425", line=f"EPRT |1|{worker.address}|{port}|")
                return
            client.expect("200", line=f"EPRT |1|{worker.address}|{port}|")
            client.sock.settimeout(HANDSHAKE + SLACK)
            if rng.random() < 0.5:
                reset(listener.accept()[0])
            if client.expect("150", "425", line=f"RETR {BIG}").startswith("150"):
                client.expect("425", "522")
        goes_on(worker, client)


def connects_to_somebody_busy(worker: Worker) -> None:
    """Active mode: the client's kernel does not answer. The client does not wait for that."""
    with worker.session() as client, socket.create_server((worker.address, 0), backlog=0) as listener:
        if client.af != socket.AF_INET:
            return
        port = listener.getsockname()[1]
        with ExitStack() as fillers:
            for _ in range(3):
                filler = fillers.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex((worker.address, port))
            client.putcmd(f"EPRT |1|{worker.address}|{port}|")
            how = worker.rng.choice(("wait", "NOOP", "EPSV", "ABOR", "QUIT", "leave"))
            client.sock.settimeout(HANDSHAKE + SLACK)
            if how == "leave":
                leave(worker, client)
            elif how == "QUIT":
                client.putcmd("QUIT")
                must_end(client.sock, HANDSHAKE)
            elif how == "wait":
                client.expect("425")
                goes_on(worker, client)
            else:
                client.expect("2", "425", line=how)


WEIGHTED: dict[Fault, int] = {
    never_connects: 1,
    asks_for_a_port_and_goes: 2,
    connects_and_says_nothing: 1,
    stalls_in_its_data_hello: 1,
    talks_nonsense_over_data: 1,
    stalls_in_its_data_handshake: 1,
    breaks_before_its_data_handshake: 1,
    does_not_resume: 1,
    lets_a_stranger_go_first: 2,
    breaks_between_handshake_and_command: 2,
    connects_to_nobody: 2,
    gives_up_before_it_connects: 2,
    changes_its_mind: 2,
    connects_to_somebody_busy: 2,
}
