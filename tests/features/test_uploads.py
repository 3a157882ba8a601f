"""Uploads: a name shows a whole file or none, and what was cut off can be gone on with."""

import ftplib
import io
import os
import re
import signal
import subprocess
import time
from contextlib import suppress

import pytest

from features.harness import (
    at_once,
    begun,
    cut_off,
    data_socket,
    download,
    failed_upload,
    home,
    lines,
    refusal,
    upload,
    visible,
)
from ftps_server.config import TURN_BYTES
from ftps_server.uploads import KEEP_SECONDS, STAGING
from unit.ftps_server.harness import PASSWORD, user, wait_for

MIB = 1 << 20


@pytest.fixture
def alice(setup):
    """The home directory."""
    return home(setup)


def staged(directory):
    """What is on its way in."""
    folder = directory / STAGING
    return sorted(path.name.partition("-")[0] for path in folder.iterdir()) if folder.exists() else []


def size(client, name):
    client.voidcmd("TYPE I")
    return client.size(name)


# A whole file or none


@pytest.mark.usefixtures("server")
def test_a_file_is_not_there_before_all_of_it_is(clients, alice):
    client, other = clients.login(), clients.login()
    with begun(client, "STOR new") as connection:
        connection.sendall(bytes(MIB))
        wait_for(lambda: staged(alice) == ["upload"], "the upload")
        for command in ("LIST", "LIST -a", "NLST", "MLSD"):
            assert not [line for line in lines(other, command) if line.endswith(("new", STAGING))]
        assert "new" not in other.sendcmd("STAT /")
        for command in ("RETR new", "MLST new", "DELE new", "RNFR new", "MDTM new"):
            other.makepasv()
            assert refusal(lambda command=command: other.sendcmd(command)).startswith("550 ")
        assert visible(alice) == {}
        connection.unwrap()
    assert client.voidresp().startswith("226 ")
    assert other.nlst() == ["new"]
    assert visible(alice) == {"new": bytes(MIB)}
    assert staged(alice) == []


@pytest.mark.usefixtures("server")
def test_a_file_stays_what_it_was_until_all_of_the_other_is_there(clients, alice):
    client, other = clients.login(), clients.login()
    upload(client, "file", b"the old one")
    with begun(client, "STOR file") as connection:
        connection.sendall(b"the new")
        wait_for(lambda: "bytes received: 7" in client.sendcmd("STAT"), "the first half")
        assert download(other, "file") == b"the old one"
        connection.sendall(b" one")
        connection.unwrap()
    assert client.voidresp().startswith("226 ")
    assert download(other, "file") == b"the new one"


@pytest.mark.usefixtures("server")
def test_who_reads_a_file_that_is_overwritten_reads_the_old_one_to_its_end(clients, alice):
    old, new = os.urandom(16 * MIB), os.urandom(MIB)
    (alice / "file").write_bytes(old)
    reader, writer = clients.login(), clients.login()
    with begun(reader, "RETR file") as connection:
        received = connection.recv(1)
        upload(writer, "file", new)
        while part := connection.recv(MIB):
            received += part
        connection.unwrap()
    assert reader.voidresp().startswith("226 ")
    assert received == old
    assert visible(alice) == {"file": new}


@pytest.mark.usefixtures("server")
def test_of_two_uploads_to_one_name_the_last_to_end_stands(clients, alice):
    first, last = clients.login(), clients.login()
    with begun(first, "STOR file") as one, begun(last, "STOR file") as two:
        one.sendall(b"first")
        two.sendall(b"last")
        for client, connection in ((first, one), (last, two)):
            connection.unwrap()
            assert client.voidresp().startswith("226 ")
    assert visible(alice) == {"file": b"last"}
    assert staged(alice) == []


@pytest.mark.usefixtures("server")
def test_an_empty_upload_makes_an_empty_file(clients, alice):
    client = clients.login()
    upload(client, "file", b"something")
    upload(client, "file", b"")
    assert visible(alice) == {"file": b""}


# What was cut off


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("how", ["REST", "APPE"])
def test_an_upload_that_was_cut_off_is_gone_on_with(clients, alice, how):
    client = clients.login()
    assert cut_off(client, "file", b"0123456789").startswith("426 ")
    assert visible(alice) == {}
    assert client.nlst() == []
    assert size(clients.login(), "file") == 10
    if how == "REST":
        # From an earlier place, too: what came last may be wrong.
        upload(client, "file", b"abcdef", rest=8)
        assert visible(alice) == {"file": b"01234567abcdef"}
    else:
        client.storbinary("APPE file", io.BytesIO(b"abcdef"))
        assert visible(alice) == {"file": b"0123456789abcdef"}
    assert staged(alice) == []


@pytest.mark.usefixtures("server")
def test_an_upload_may_be_cut_off_again_and_again(clients, alice):
    client, content = clients.login(), os.urandom(100)
    for begin in range(0, 90, 30):
        if begin:
            assert size(client, "file") == begin
            client.sendcmd(f"REST {begin}")
        assert cut_off(client, "file", content[begin : begin + 30]).startswith("426 ")
    upload(client, "file", content[90:], rest=90)
    assert visible(alice) == {"file": content}
    assert staged(alice) == []


@pytest.mark.usefixtures("server")
def test_a_whole_upload_takes_the_place_of_what_was_cut_off(clients, alice):
    client = clients.login()
    cut_off(client, "file", b"0123456789")
    upload(client, "file", b"abc")
    assert size(client, "file") == 3
    client.delete("file")
    # What was cut off is older than the file was: to go on with it would mix the two.
    assert refusal(lambda: size(client, "file")).startswith("550 ")


@pytest.mark.usefixtures("server")
def test_behind_the_end_there_is_nothing_to_go_on_with(clients, alice):
    client = clients.login()
    cut_off(client, "part", b"0123456789")
    upload(client, "whole", b"0123456789")
    for name in ("part", "whole", "never"):
        with pytest.raises(ftplib.error_perm, match="55[04] "):
            upload(client, name, b"abc", rest=11)
    assert size(client, "part") == 10
    assert visible(alice) == {"whole": b"0123456789"}


@pytest.mark.usefixtures("server")
def test_an_overwriting_upload_that_is_cut_off_leaves_the_old_file(clients, alice):
    client = clients.login()
    upload(client, "file", b"the old one")
    assert cut_off(client, "file", b"the n").startswith("426 ")
    assert visible(alice) == {"file": b"the old one"}
    assert size(client, "file") == len(b"the old one")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("end", ["ABOR", "disconnect", "QUIT"])
def test_an_upload_that_its_own_client_ends_leaves_nothing_under_its_name(clients, alice, end):
    client = clients.login()
    with begun(client, "STOR file") as connection:
        connection.sendall(b"half")
        wait_for(lambda: "bytes received: 4" in client.sendcmd("STAT"), "the first half")
        if end == "disconnect":
            client.close()
        else:
            client.putcmd(end)
            assert refusal(client.getresp).startswith("426 ") if end == "ABOR" else client.getresp().startswith("221 ")
    wait_for(lambda: staged(alice) == ["partial"], "the end")
    wait_for(lambda: clients.metric("ftps_server_sessions") == (end == "ABOR"), "the session's end")
    other = clients.login()
    assert other.nlst() == []
    upload(other, "file", b"way", rest=size(other, "file"))
    assert visible(alice) == {"file": b"halfway"}


@pytest.mark.usefixtures("server")
def test_a_file_that_is_there_is_gone_on_with(clients, alice):
    client = clients.login()
    upload(client, "file", b"0123456789")
    upload(client, "file", b"abc", rest=4)
    assert visible(alice) == {"file": b"0123abc789"}
    client.storbinary("APPE file", io.BytesIO(b"!"))
    assert visible(alice) == {"file": b"0123abc789!"}


# Whole and parts, by text


@pytest.mark.usefixtures("server")
def test_text_is_stored_with_the_ends_of_lines_of_the_server(clients, alice):
    client = clients.login()
    client.storlines("STOR text", io.BytesIO(b"one\r\ntwo\r\n"))
    assert visible(alice) == {"text": b"one\ntwo\n"}
    assert lines(client, "RETR text") == ["one", "two"]


# Who may


@pytest.mark.usefixtures("server")
def test_stou_names_what_it_made(clients, alice):
    client = clients.login()
    names = []
    for number in range(2):
        client.voidcmd("TYPE I")
        with data_socket(client) as raw:
            answer = client.sendcmd("STOU")
            secured = client.context.wrap_socket(raw, server_hostname="localhost", session=client.sock.session)
        with secured:
            secured.sendall(b"%d" % number)
            secured.unwrap()
        client.voidresp()
        # RFC 1123, section 4.1.2.9.
        names.append(re.fullmatch(r"150 FILE: (\S+).*", answer)[1].rstrip(";"))
    assert visible(alice) == {names[0]: b"0", names[1]: b"1"}


def test_a_drop_box_takes_files_and_gives_none(clients, setup, start):
    setup.users(user(), user("carol", homeDirectory="/alice", permissions="WriteOnly"))
    start()
    alice, carol = clients.login(), clients.login("carol")
    upload(carol, "letter", b"from carol")
    carol.mkd("folder")
    upload(carol, "folder/letter", b"another")
    carol.storbinary("STOU", io.BytesIO(b"a third"))
    for command in ("STOR letter", "APPE letter"):
        carol.makepasv()
        assert refusal(lambda command=command: carol.sendcmd(command)).startswith("550 ")
    commands = ("RETR letter", "NLST", "LIST", "MLSD", "MLST letter", "DELE letter", "RMD folder", "RNFR letter")
    for command in (
        *commands,
        "SIZE letter",
        "MDTM letter",
        "MFMT 20200101000000 letter",
        "HASH letter",
        "XCRC letter",
    ):
        carol.makepasv()
        assert refusal(lambda command=command: carol.sendcmd(command)).startswith("550 ")
    carol.sendcmd("REST 2")
    carol.makepasv()
    assert refusal(lambda: carol.sendcmd("STOR letter")).startswith("550 ")
    assert download(alice, "letter") == b"from carol"


def test_in_a_drop_box_nobody_takes_the_place_of_who_was_first(clients, setup, start):
    setup.users(user(permissions="WriteOnly"))
    start()
    first, second = clients.login(), clients.login()
    with begun(first, "STOR file") as one, begun(second, "STOR file") as two:
        two.sendall(b"first to end")
        two.unwrap()
        assert second.voidresp().startswith("226 ")
        with suppress(OSError):
            one.sendall(b"last to end")
            one.unwrap()
        assert refusal(first.voidresp).startswith("550 ")
    assert visible(setup.storage / "alice") == {"file": b"first to end"}
    assert staged(setup.storage / "alice") == []


# Where it is written


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("path", [STAGING, f"{STAGING}/file", f"folder/{STAGING}", f"folder/../{STAGING}"])
def test_the_folder_of_uploads_is_neither_seen_nor_entered_nor_made(clients, alice, path):
    client = clients.login()
    client.mkd("folder")
    cut_off(client, "file", b"part")
    assert sorted(client.nlst()) == ["folder"]
    client.voidcmd("TYPE I")
    single = ("CWD", "MKD", "RMD", "DELE", "RNFR", "SIZE", "MDTM", "MLST", "STAT", "HASH", "XCRC", "AVBL")
    for command in (*single, "MFMT 20200101000000", "RETR", "STOR", "APPE", "LIST", "NLST", "MLSD"):
        client.makepasv()
        assert refusal(lambda command=command: client.sendcmd(f"{command} {path}"))[:4] in {"550 ", "501 "}, command
    assert refusal(lambda: client.sendcmd(f"STOU {path}/file")).startswith("550 ")
    client.sendcmd("RNFR folder")
    assert refusal(lambda: client.sendcmd(f"RNTO {path}")).startswith("550 ")
    assert client.nlst() == ["folder"]
    assert not (alice / "folder" / STAGING).exists()


def test_a_folder_that_another_user_lives_in_keeps_its_uploads_to_itself(clients, setup, start):
    setup.users(user(), user("boss", homeDirectory="/"))
    start()
    cut_off(clients.login(), "file", b"part")
    boss = clients.login("boss")
    assert boss.nlst("alice") == []
    assert refusal(lambda: boss.cwd(f"alice/{STAGING}")).startswith("550 ")


@pytest.mark.usefixtures("server")
def test_what_nobody_goes_on_with_is_swept_after_its_time(clients, alice):
    client = clients.login()
    cut_off(client, "forgotten", b"part")
    (forgotten,) = (alice / STAGING).iterdir()
    crashed = alice / STAGING / "upload-of-a-server-that-died"
    crashed.write_bytes(b"half")
    for path in (forgotten, crashed):
        long_ago = time.time() - KEEP_SECONDS - 1
        os.utime(path, (long_ago, long_ago))
    cut_off(client, "fresh", b"part")
    client = clients.login()
    assert staged(alice) == ["partial"]
    assert size(client, "fresh") == 4
    assert refusal(lambda: size(client, "forgotten")).startswith("550 ")


def test_what_a_killed_server_had_of_a_file_is_under_no_name(clients, setup, alice, launch):
    process = launch()
    client = clients.login()
    upload(client, "old", b"whole")
    with begun(client, "STOR new") as new, begun(clients.login(), "STOR old") as old:
        for connection in (new, old):
            connection.sendall(b"half")
        wait_for(lambda: staged(alice) == ["upload", "upload"], "the uploads")
        process.popen.send_signal(signal.SIGKILL)
        process.popen.wait()
    launch()
    client = clients.login()
    assert client.nlst() == ["old"]
    assert download(client, "old") == b"whole"


# The disk


@pytest.fixture
def disk(setup, launch):
    """A server whose storage is a small disk."""
    apart = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*apart, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True).returncode:
        pytest.skip("a file system of one's own cannot be mounted here")
    mount = f'mount -t tmpfs -o size="$0" tmpfs {setup.storage} && exec "$@"'
    return lambda size: launch(*apart, "sh", "-c", mount, size)


def test_a_full_disk_ends_the_upload_and_nothing_else(clients, disk):
    disk("2m")
    client = clients.login()
    upload(client, "small", bytes(MIB // 2))
    assert failed_upload(client, "STOR large", bytes(4 * MIB)).startswith("452 No space left on device")
    # What there was of it is gone: there is room again.
    upload(client, "small", bytes(MIB))
    assert client.nlst() == ["small"]
    assert client.sendcmd("AVBL") == f"213 {MIB}"
    assert download(client, "small") == bytes(MIB)


def test_what_found_no_room_on_the_disk_does_not_count(clients, setup, disk):
    # Room for one turn more than the disk has.
    setup.users(user(quota={"bytes": 2 * MIB + TURN_BYTES}))
    disk("2m")
    client = clients.login()
    for _ in range(5):
        upload(client, "file", bytes(MIB + 100))
        assert failed_upload(client, "APPE file", bytes(4 * MIB)).startswith("452 No space left on device")
        assert size(client, "file") > MIB + 100
        client.delete("file")
    assert client.sendcmd("AVBL") == f"213 {2 * MIB}"


@pytest.mark.usefixtures("server")
def test_uploads_at_once_do_not_meddle(clients, alice):
    contents = {f"file-{number}": os.urandom(MIB + number) for number in range(8)}

    def send(name):
        client = clients.login("alice", PASSWORD)
        for _ in range(3):
            upload(client, name, contents[name])

    at_once([lambda name=name: send(name) for name in contents])
    assert visible(alice) == contents
    assert staged(alice) == []
