"""Permissions: what a user may do, and that another way to a file is no way around them."""

import ftplib

import pytest

from features.harness import answer, cut_off, download, home, lines, refusal, reloaded, upload, visible
from unit.ftps_server.harness import user, wait_for


@pytest.fixture
def serve(setup, start):
    def serve(**changes: object) -> None:
        setup.users(user(**changes))
        start()

    return serve


def allowed(client: ftplib.FTP, command: str) -> bool:
    """Whether a command is carried out, or would be if there were a data connection."""
    if answer(lambda: client.sendcmd("ABOR")).startswith("426 "):
        client.getresp()
    client.makepasv()
    text = answer(lambda: client.sendcmd(command))
    assert text[0] in "123" or text.startswith("550 ")
    return text[0] in "123"


READING = ["RETR file", "SIZE file", "HASH file", "XMD5 file"]
LISTING = ["LIST", "NLST", "MLSD", "MLST file", "MDTM file", "STAT /"]
CHANGING = ["DELE file", "RNFR file", "RMD empty", "MFMT 20200101000000 file", "APPE file", "STOR file"]
MAKING = ["MKD new", "STOR fresh"]


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ("ReadOnly", [*READING, *LISTING]),
        ("WriteOnly", MAKING),
        ("ReadWrite", [*READING, *LISTING, *CHANGING, *MAKING]),
        ("None", []),
    ],
)
def test_presets_allow_what_they_say(clients, setup, serve, permissions, expected):
    (home(setup) / "file").write_bytes(b"content")
    (home(setup) / "empty").mkdir()
    serve(permissions=permissions)
    commands = [*READING, *LISTING, *MAKING, *CHANGING]
    client = clients.login()
    client.voidcmd("TYPE I")
    done = []
    for command in commands:
        (home(setup) / "file").write_bytes(b"content")
        (home(setup) / "empty").mkdir(exist_ok=True)
        if allowed(client, command):
            done.append(command)
    assert done == [command for command in commands if command in expected]


@pytest.fixture
def ruled(setup, serve):
    """A home with a secret, a drop box and a shelf."""
    alice = home(setup)
    for path in ("secret/deep", "inbox", "shelf/mine", "plain"):
        (alice / path).mkdir(parents=True)
        (alice / path / "file").write_bytes(path.encode())
    (alice / "shelf/file").write_bytes(b"shelf")
    serve(
        directories=[
            {"path": "/secret", "permissions": "None"},
            {"path": "/inbox", "permissions": "WriteOnly"},
            {"path": "/shelf/", "permissions": "ReadOnly"},
            {"path": "/shelf/mine", "permissions": "ReadWrite"},
        ]
    )
    return alice


def test_the_nearest_directory_says_what_may_be_done(clients, ruled):
    client = clients.login()
    assert download(client, "plain/file") == b"plain"
    assert download(client, "shelf/mine/file") == b"shelf/mine"
    upload(client, "shelf/mine/new")
    upload(client, "inbox/new", b"dropped")
    for command in ("RETR inbox/new", "LIST inbox", "STOR shelf/new", "STOU shelf/new", "MKD shelf/new"):
        assert not allowed(client, command)
    assert not allowed(client, "STOR inbox/new")
    assert visible(ruled / "inbox")["new"] == b"dropped"


def test_nothing_of_a_forbidden_directory_is_reached_in_any_spelling(clients, ruled):
    (ruled / "plain/link").symlink_to(ruled / "secret/deep")
    client = clients.login()
    client.voidcmd("TYPE I")
    for path in ("secret/deep", "/secret/../secret/deep", "plain/../secret//deep", "secret/./deep", "plain/link"):
        commands = ("CWD", "LIST", "NLST", "MLSD", "MLST", "STAT", "RMD", "RNFR")
        commands = (*(f"{command} {path}" for command in commands), f"RETR {path}/file", f"SIZE {path}/file")
        for command in (*commands, f"STOR {path}/new", f"STOU {path}/new", f"DELE {path}/file", f"MKD {path}/new"):
            assert not allowed(client, command), command
    assert visible(ruled / "secret/deep") == {"file": b"secret/deep"}


def test_files_cannot_be_moved_where_they_may_not_be_made(clients, ruled):
    client = clients.login()
    for source, target in (("plain/file", "shelf/new"), ("plain/file", "secret/new"), ("plain/file", "inbox/file")):
        client.sendcmd(f"RNFR {source}")
        assert refusal(lambda target=target: client.sendcmd(f"RNTO {target}")) == "550 Not enough privileges."
    for source in ("shelf/file", "inbox/file", "secret/deep/file"):
        assert refusal(lambda source=source: client.sendcmd(f"RNFR {source}")) == "550 Not enough privileges."
    assert visible(ruled / "plain") == {"file": b"plain"}


@pytest.mark.parametrize("path", ["secret", "inbox", "shelf", "shelf/mine", "secret/deep/.."])
def test_a_directory_that_holds_a_rule_stays_where_it_is(clients, ruled, path):
    client = clients.login()
    assert not allowed(client, f"RNFR {path}")
    assert not allowed(client, f"RMD {path}")
    assert (ruled / path).is_dir()


def test_a_rule_holds_for_a_directory_that_comes_later(clients, setup, serve):
    serve(directories=[{"path": "/later/deep", "permissions": "ReadOnly"}])
    client = clients.login()
    client.mkd("other")
    client.sendcmd("RNFR other")
    # What was writable under another name would be here, too.
    assert refusal(lambda: client.sendcmd("RNTO later")) == "550 Not enough privileges."
    client.mkd("later")
    assert not allowed(client, "MKD later/deep")
    (home(setup) / "later/deep").mkdir()
    assert not allowed(client, "STOR later/deep/new")


def test_facts_tell_what_may_be_done(clients, ruled):
    client = clients.login()

    def permissions(path):
        (line,) = [line for line in client.sendcmd(f"MLST {path}").splitlines() if "perm=" in line]
        return set(line.split("perm=")[1].split(";")[0])

    assert {"r", "w", "d", "f"} <= permissions("plain/file")
    assert permissions("shelf/file") & set("rwadf") == {"r"}
    assert "w" not in "".join(line.split("perm=")[1].split(";")[0] for line in lines(client, "MLSD shelf"))


def test_an_appending_upload_is_an_overwriting_one(clients, setup, serve):
    serve(permissions="WriteOnly")
    (home(setup) / "file").write_bytes(b"theirs")
    client = clients.login()
    assert not allowed(client, "APPE file")
    assert not allowed(client, "STOR file")
    client.voidcmd("TYPE I")
    client.sendcmd("REST 3")
    assert not allowed(client, "STOR file")
    assert visible(home(setup)) == {"file": b"theirs"}


def test_a_drop_box_lets_its_user_go_on_with_what_was_cut_off(clients, setup, serve):
    serve(permissions="WriteOnly")
    client = clients.login()
    assert cut_off(client, "file", b"half").startswith("426 ")
    upload(client, "file", b"way", rest=4)
    assert visible(home(setup)) == {"file": b"halfway"}
    assert not allowed(client, "STOR file")


def test_rights_stay_as_they_were_at_the_login(clients, setup, serve):
    serve()
    client = clients.login()
    seen = reloaded(clients, "users")
    setup.users(user(permissions="ReadOnly"))
    wait_for(seen, "the reload")
    upload(client, "file")
    assert not allowed(clients.login(), "STOR other")
