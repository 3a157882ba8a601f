"""What good clients do. Every one of these must succeed, with the right bytes."""

import ftplib
import hashlib
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from contextlib import suppress

from soak.client import CHUNK, Client, half_close
from soak.content import Content
from soak.scene import BIG, ENTRIES, IDLE, MANY, SHARED
from soak.worker import MAX_FILES, Worker

_ACTIONS_A_SESSION = 6
_SHARED_FILES = 4
DRIBBLES = IDLE + 2

Action = Callable[[Worker, Client], None]


def session(worker: Worker) -> None:
    """A few things in one session, then a good end."""
    rng = worker.rng
    with worker.session() as client:
        settle(worker, client)
        for _ in range(rng.randint(1, _ACTIONS_A_SESSION)):
            if worker.stopped.is_set():
                break
            make_room(worker, client)
            action = rng.choices(ACTIONS, WEIGHTS)[0]
            action(worker, client)
            worker.figures.did("done", action.__name__)
        client.expect("221", line="QUIT")
        if rng.random() < 0.5 and isinstance(client.sock, ssl.SSLSocket):
            with suppress(OSError):
                client.sock.unwrap()


def settle(worker: Worker, client: Client) -> None:
    """Look at what may be one or the other since a fault."""
    for name, contents in list(worker.files.items()):
        if len(contents) == 1:
            continue
        try:
            received = receive(worker, client, f"RETR {name}")
        except ftplib.error_perm:
            if None not in contents:
                raise
            worker.is_now(name, None)
            continue
        pool = worker.scene.pool
        found = [each for each in contents if each is not None and pool.view(each) == received]
        assert found, f"{name}: {len(received)} bytes, which are none of {contents}"
        worker.is_now(name, found[0])


def make_room(worker: Worker, client: Client) -> None:
    """Delete files when they are many."""
    certain = sorted(worker.certain())
    while len(certain) > MAX_FILES:
        name = certain.pop(worker.rng.randrange(len(certain)))
        client.delete(name)
        worker.is_now(name, None)


# Transfers


def open_data(worker: Worker, client: Client, command: str) -> ssl.SSLSocket:
    """Begin a transfer in any of the ways there are."""
    how = worker.rng.random()
    if how < 0.3:
        return client.late(command)
    client.set_pasv(how > 0.4 or client.af == socket.AF_INET6)
    try:
        return client.transfercmd(command)
    finally:
        client.set_pasv(True)


def receive(worker: Worker, client: Client, command: str, rest: int = 0) -> bytes:
    """Download, as a whole or nothing."""
    if rest:
        client.expect("350", line=f"REST {rest}")
    parts = []
    with open_data(worker, client, command) as data:
        while part := data.recv(CHUNK):
            parts.append(part)
    client.voidresp()
    received = b"".join(parts)
    worker.figures.count(downloads=1, downloaded=len(received))
    return received


def send(worker: Worker, client: Client, command: str, view: memoryview, rest: int = 0) -> None:
    """Upload; raises ftplib.error_perm when a quota ends it."""
    if rest:
        client.expect("350", line=f"REST {rest}")
    with open_data(worker, client, command) as data:
        try:
            for begin in range(0, len(view), CHUNK):
                data.sendall(view[begin : begin + CHUNK])
            finish(worker, data)
        except OSError:
            # It says why on the control connection.
            client.voidresp()
            raise
    client.voidresp()
    worker.figures.count(uploads=1, uploaded=len(view))


def finish(worker: Worker, data: ssl.SSLSocket) -> None:
    """End an upload in one of the ways that clients know."""
    how = worker.rng.choice(("wait", "close", "half-close"))
    if how == "wait":
        data.unwrap()
        return
    data.setblocking(False)
    with suppress(ssl.SSLError):
        data.unwrap()
    data.setblocking(True)
    if how == "half-close":
        raw = socket.socket(fileno=data.detach())
        with raw:
            half_close(raw)
            while raw.recv(CHUNK):
                pass


def put(worker: Worker, client: Client, name: str, content: Content) -> bool:
    """Upload a whole file; whether there was room."""
    before = worker.before(name)
    worker.is_now(name, content, *before)
    try:
        send(worker, client, f"STOR {name}", worker.scene.pool.view(content))
    except ftplib.error_perm as error:
        over_quota(worker, error)
        worker.is_now(name, *before)
        return False
    worker.is_now(name, content)
    return True


def over_quota(worker: Worker, error: ftplib.error_perm) -> None:
    """Raise an error that has another reason."""
    if not (worker.account.is_tight and str(error).startswith("552")):
        raise error
    worker.figures.count(over_quota=1)


# Actions


def upload(worker: Worker, client: Client) -> None:
    put(worker, client, worker.target(), worker.scene.pool.choose(worker.rng))


def download(worker: Worker, client: Client) -> None:
    chosen = worker.choose()
    if chosen is not None:
        name, content = chosen
        rest = worker.rng.randint(0, content.size) if worker.rng.random() < 0.3 else 0
        worker.scene.pool.check(content, receive(worker, client, f"RETR {name}", rest), rest)


def download_big(worker: Worker, client: Client) -> None:
    worker.scene.pool.check(worker.scene.pool.whole, receive(worker, client, f"RETR {BIG}"))


def overwrite_shared(worker: Worker, client: Client) -> None:
    """Others read and write it at the same time."""
    content = worker.scene.pool.choose_shared(worker.rng)
    name = f"{SHARED}/{worker.rng.randrange(_SHARED_FILES)}"
    try:
        send(worker, client, f"STOR {name}", worker.scene.pool.view(content))
    except ftplib.error_perm as error:
        over_quota(worker, error)


def download_shared(worker: Worker, client: Client) -> None:
    pool = worker.scene.pool
    try:
        received = receive(worker, client, f"RETR {SHARED}/{worker.rng.randrange(_SHARED_FILES)}")
    except ftplib.error_perm as error:
        if not str(error).startswith("550"):  # nobody has made it yet
            raise
    else:
        pool.check(pool.recognize(received), received)


def rename(worker: Worker, client: Client) -> None:
    chosen = worker.choose()
    if chosen is not None:
        name, content = chosen
        new = worker.new_name() if worker.rng.random() < 0.5 else worker.rng.choice(sorted(worker.certain()))
        client.rename(name, new)
        if new != name:
            worker.is_now(name, None)
            worker.is_now(new, content)


def delete(worker: Worker, client: Client) -> None:
    chosen = worker.choose()
    if chosen is not None:
        client.delete(chosen[0])
        worker.is_now(chosen[0], None)


def upload_unique(worker: Worker, client: Client) -> None:
    """The server chooses the name. The file is gone soon: all others have one of a few names."""
    content, pool = worker.scene.pool.choose(worker.rng), worker.scene.pool
    try:
        send(worker, client, "STOU", pool.view(content))
    except ftplib.error_perm as error:
        over_quota(worker, error)
        return
    told = next(line for line in reversed(client.dialogue) if "FILE: " in line)
    name = told.partition("FILE: ")[2].partition(";")[0]
    pool.check(content, receive(worker, client, f"RETR {name}"))
    client.delete(name)


def dribble(worker: Worker, client: Client) -> None:
    """A slow upload, longer than any time-out: as long as something moves it is none of them."""
    name, content = worker.target(), Content(0, DRIBBLES)
    before = worker.before(name)
    worker.is_now(name, content, *before)
    try:
        with open_data(worker, client, f"STOR {name}") as data:
            for place in range(DRIBBLES):
                data.sendall(worker.scene.pool.view(content, place, place + 1))
                time.sleep(1)
            finish(worker, data)
        client.voidresp()
    except ftplib.error_perm as error:
        over_quota(worker, error)
        worker.is_now(name, *before)
    else:
        worker.is_now(name, content)


def append(worker: Worker, client: Client) -> None:
    """Go on with a file that is there."""
    name, pool = worker.new_name(), worker.scene.pool
    content = pool.choose(worker.rng)
    half = content.size // 2
    if not put(worker, client, name, Content(content.start, half)):
        return
    worker.is_now(name, *(Content(content.start, size) for size in {half, content.size}))
    command, rest = worker.rng.choice((("APPE", 0), ("STOR", half)))
    try:
        send(worker, client, f"{command} {name}", pool.view(content, half if rest or command == "APPE" else 0), rest)
    except ftplib.error_perm as error:
        over_quota(worker, error)
        # What was written stays, whatever it is.
        client.delete(name)
        worker.is_now(name, None)
    else:
        worker.is_now(name, content)


def resume(worker: Worker, client: Client) -> None:
    """Be cut off in the middle of a new file, and go on where it was."""
    name, pool = worker.new_name(), worker.scene.pool
    content = pool.choose(worker.rng)
    sent = worker.rng.randint(0, content.size)
    worker.cut.add(name)
    try:
        data = open_data(worker, client, f"STOR {name}")
    except ftplib.error_perm as error:
        over_quota(worker, error)
        return
    with data, suppress(OSError):
        data.sendall(pool.view(content, 0, sent))
    answer = client.expect("426", "552")
    if answer.startswith("552"):
        over_quota(worker, ftplib.error_perm(answer))
        return
    worker.figures.did("fault", "resume: cut off")
    kept = client.expect("213" if sent else "550", line=f"SIZE {name}")
    size = int(kept[4:]) if sent else 0
    assert size == sent, f"{size} bytes of {sent}"
    worker.is_now(name, None, content)
    command, rest = worker.rng.choice((("APPE", 0), ("STOR", size)))
    try:
        send(worker, client, f"{command} {name}", pool.view(content, size), rest)
    except ftplib.error_perm as error:
        over_quota(worker, error)
        worker.is_now(name, None)
        return
    worker.is_now(name, content)
    pool.check(content, receive(worker, client, f"RETR {name}"))
    worker.figures.count(resumed_uploads=1)


def look(worker: Worker, client: Client) -> None:
    """List the folder: what must be there is, and nothing else."""
    command = worker.rng.choice(("NLST", "LIST", "MLSD"))
    lines = receive(worker, client, command).decode().splitlines()
    found = [line.rpartition(" ")[2] for line in lines]
    if command == "MLSD":
        found = [name for line, name in zip(lines, found, strict=True) if "type=file" in line]
    assert set(worker.certain()) <= set(found) <= set(worker.files), f"{command}: {found}, not {sorted(worker.files)}"


def look_at_many(worker: Worker, client: Client) -> None:
    lines = receive(worker, client, f"{worker.rng.choice(('NLST', 'LIST', 'MLSD'))} {MANY}").splitlines()
    wanted = 0 if worker.account.is_tight else ENTRIES
    found = sum(line[-4:].isdigit() for line in lines)
    assert found == wanted, f"{found} entries, not {wanted}"


def facts(worker: Worker, client: Client) -> None:
    """Ask for a file's size and hash."""
    chosen = worker.choose()
    if chosen is None:
        return
    name, content = chosen
    view = worker.scene.pool.view(content)
    assert client.size(name) == content.size
    digest = client.expect("213", line=f"HASH {name}").split()[3]
    assert digest == hashlib.sha256(view).hexdigest(), f"HASH: {digest}"
    assert client.expect("250", line=f"XCRC {name}").split()[1].lower() == f"{zlib.crc32(view):08x}"
    client.expect("250", line=f"MLST {name}")
    client.expect("213", line=f"MDTM {name}")


def folders(worker: Worker, client: Client) -> None:
    name = f"d{worker.new_name()}"
    client.mkd(name)
    client.cwd(name)
    client.expect("250", line="CDUP")
    client.expect("213", line="STAT /")
    client.rmd(name)


def again(worker: Worker, client: Client) -> None:
    """Say nothing of interest."""
    for line in ("NOOP", "FEAT", "SYST", "STAT", "HELP", "AVBL", "OPTS UTF8 ON", "SITE HELP", "CLNT soak"):
        client.expect("2", line=line)


def hurry(worker: Worker, client: Client) -> None:
    """Do not wait for answers: they come in order nevertheless."""
    rng = worker.rng
    asked = [
        rng.choice(("NOOP", "PWD", f"HASH {BIG}", "SYST", "MDTM none", "HASH none")) for _ in range(rng.randint(2, 12))
    ]
    client.sock.sendall("".join(f"{line}\r\n" for line in asked).encode())
    codes = {"NOOP": "200", "PWD": "257", f"HASH {BIG}": "213", "SYST": "215"}
    for line in asked:
        client.expect(codes.get(line, "550"))


WEIGHTED: dict[Action, int] = {
    upload: 14,
    download: 14,
    download_big: 1,
    overwrite_shared: 4,
    download_shared: 6,
    rename: 4,
    delete: 3,
    append: 4,
    resume: 5,
    look: 6,
    facts: 4,
    folders: 2,
    again: 2,
    hurry: 2,
    look_at_many: 1,
    upload_unique: 3,
    dribble: 1,
}
ACTIONS, WEIGHTS = list(WEIGHTED), list(WEIGHTED.values())
