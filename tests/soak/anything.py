"""Commands at random, without a thought of the answers. The server must survive it, and keep nothing."""

import random
import re
import socket
from contextlib import ExitStack, suppress

from soak.client import CHUNK, Client, drop
from soak.ends import Fault, leave
from soak.scene import ANYTHING, BIG, MANY, PASSWORD
from soak.worker import Worker

NAMES = [f"{ANYTHING}/{number}" for number in range(4)]
_BURSTS = 6
_MOST_AT_ONCE = 5
_LISTEN_SECONDS = 0.05
_PATIENCE = 2.0
_PORT = re.compile(rb"229 .*\(\|\|\|(\d+)\|\)")


def does_anything(worker: Worker) -> None:
    rng = worker.rng
    with worker.session() as client, ExitStack() as opened, suppress(OSError):
        client.expect("250", "550", line=f"DELE {own(worker)}")
        quits = False
        for _ in range(rng.randint(1, _BURSTS)):
            lines = [_line(worker) for _ in range(rng.randint(1, _MOST_AT_ONCE))]
            quits = quits or "QUIT" in lines
            client.dialogue.extend(f"> {line}" for line in lines)
            client.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
            for port in _PORT.findall(_heard(client)):
                with suppress(OSError):
                    opened.enter_context(_connected(client, int(port), rng))
        if rng.random() < 0.5:
            quits = True
            client.dialogue.append("> QUIT")
            client.sock.sendall(b"QUIT\r\n")
        if quits:
            opened.close()  # the server ends the transfer first (RFC 959, section 4.1.1)
        leave(worker, client)


def own(worker: Worker) -> str:
    """A file to append to. It is nobody else's: what two append at once, or to a file that is deleted meanwhile, is
    counted for the quota as if both parts stayed, until all is counted again.
    """
    return f"{ANYTHING}/{worker.name}"


def _line(worker: Worker) -> str:
    """More often than not what makes sense."""
    rng = worker.rng
    name = rng.choice((*NAMES, BIG))
    mine = rng.choice(NAMES)
    choices = (
        ("EPSV", 8),
        (f"RETR {name}", 4),
        (f"STOR {mine}", 5),
        (f"APPE {own(worker)}", 2),
        (f"{rng.choice(('LIST', 'NLST', 'MLSD'))} {rng.choice((ANYTHING, MANY))}", 2),
        (f"RETR {own(worker)}", 1),
        ("ABOR", 2),
        (f"DELE {mine}", 1),
        (f"RNFR {mine}", 1),
        (f"RNTO {rng.choice(NAMES)}", 1),
        (f"SIZE {mine}", 1),
        (f"HASH {name}", 2),
        ("STAT", 1),
        ("NOOP", 1),
        (f"EPRT |1|{worker.address}|{rng.randint(1024, 65535)}|", 1),
        ("REIN", 1),
        (f"USER {worker.account.name}", 1),
        (f"PASS {PASSWORD}", 2),
        ("PBSZ 0", 1),
        ("PROT P", 1),
        (f"TYPE {rng.choice('AI')}", 1),
        ("QUIT", 0.2),
    )
    return rng.choices([line for line, _ in choices], [weight for _, weight in choices])[0]


def _heard(client: Client) -> bytes:
    """What was answered by now."""
    client.sock.settimeout(_LISTEN_SECONDS)
    parts = []
    with suppress(TimeoutError):
        while part := client.sock.recv(CHUNK):
            parts.append(part)
    client.sock.settimeout(_PATIENCE)
    return b"".join(parts)


def _connected(client: Client, port: int, rng: random.Random) -> socket.socket:
    """A data connection, in whatever state; others may have been asked for since."""
    data = socket.create_connection((client.host, port), _PATIENCE, client.source_address)
    if rng.random() < 0.1:
        return data
    data = client.secured(data)
    data.settimeout(_LISTEN_SECONDS)
    with suppress(OSError):
        if rng.random() < 0.5:
            data.sendall(rng.randbytes(rng.randint(1, 100_000)))
            if rng.random() < 0.5:
                data.unwrap()
        else:
            data.recv(CHUNK)
    if rng.random() < 0.3:
        drop(data, rng)
    return data


WEIGHTED: dict[Fault, int] = {does_anything: 8}
