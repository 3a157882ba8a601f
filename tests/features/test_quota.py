"""Quotas: what a home directory may hold, however many fill it at once."""

import io
import itertools
import os
from contextlib import suppress
from functools import partial

import pytest

from features.harness import answer, at_once, begun, cut_off, failed_upload, home, refusal, upload, visible
from ftps_server import server as server_module
from ftps_server.uploads import STAGING
from unit.ftps_server.harness import user, wait_for

KIB = 1 << 10


@pytest.fixture
def serve(setup, start):
    """A server where alice's home may hold so much."""

    def serve(**quota: int) -> None:
        setup.users(user(quota=quota), user("boss", homeDirectory="/"))
        start()

    return serve


def held(directory) -> int:
    """Bytes in all files, those on their way in included."""
    size = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):  # it has another name by now
            size += path.stat().st_size if path.is_file() else 0
    return size


def available(client) -> int:
    return int(client.sendcmd("AVBL").split()[1])


def stored(client, name, content) -> bool:
    """Whether an upload has found room."""
    try:
        text = answer(lambda: upload(client, name, content))
    except OSError:  # the server ends the connection before all of it is sent
        text = answer(client.voidresp)
    assert text.startswith(("226 ", "552 "))
    return text.startswith("226 ")


def test_a_file_that_is_too_large_is_refused_and_gone(clients, setup, serve):
    serve(bytes=100 * KIB)
    client = clients.login()
    upload(client, "first", bytes(60 * KIB))
    assert available(client) == 40 * KIB
    assert failed_upload(client, "STOR second", bytes(41 * KIB)) == "552 Quota exceeded."
    assert set(visible(home(setup))) == {"first"}
    assert available(client) == 40 * KIB
    upload(client, "second", bytes(40 * KIB))
    assert available(client) == 0
    assert failed_upload(client, "APPE second", b"x") == "552 Quota exceeded."
    assert failed_upload(client, "STOU", b"x") == "552 Quota exceeded."
    upload(client, "empty", b"")


def test_files_are_counted_too(clients, setup, serve):
    serve(files=2)
    client = clients.login()
    upload(client, "one")
    upload(client, "two")
    for command in ("STOR three", "STOU", "APPE three"):
        client.makepasv()
        assert refusal(lambda command=command: client.sendcmd(command)) == "552 Quota of files exceeded."
    # One in the place of another is none more.
    upload(client, "two", b"again")
    client.storbinary("APPE two", io.BytesIO(b" and again"))
    client.delete("one")
    upload(client, "three")
    assert set(visible(home(setup))) == {"two", "three"}


def test_what_was_there_before_counts(clients, setup, serve):
    (home(setup) / "folder").mkdir()
    (home(setup) / "folder/old").write_bytes(bytes(70 * KIB))
    serve(bytes=100 * KIB, files=2)
    client = clients.login()
    assert available(client) == 30 * KIB
    upload(client, "new", bytes(30 * KIB))
    assert failed_upload(client, "STOR new", bytes(31 * KIB)) == "552 Quota exceeded."


def test_parallel_uploads_never_exceed_a_quota(clients, setup, serve):
    serve(bytes=1000 * KIB, files=10)
    sessions = at_once([clients.login] * 8)

    def fill(number):
        sent = []
        for name in [f"file-{number}-{turn}" for turn in range(6)]:
            if stored(sessions[number], name, bytes(50 * KIB)):
                sent.append(name)
            assert held(home(setup)) <= 1000 * KIB
        return sent

    sent = list(itertools.chain(*at_once([partial(fill, number) for number in range(8)])))
    assert len(sent) == 10
    assert set(visible(home(setup))) == set(sent)
    for name in sent:
        sessions[0].delete(name)
    upload(sessions[1], "all", bytes(1000 * KIB))


def test_large_uploads_at_once_share_what_is_left(clients, setup, serve):
    serve(bytes=1000 * KIB)
    sessions = at_once([clients.login] * 8)

    def attempt(number):
        stored(sessions[number], f"file-{number}", bytes(400 * KIB))
        assert held(home(setup)) <= 1000 * KIB

    at_once([partial(attempt, number) for number in range(8)])
    assert available(sessions[0]) == 1000 * KIB - held(home(setup))


@pytest.mark.parametrize("how", ["delete", "overwrite", "append", "rename over", "abort", "fail"])
def test_what_is_removed_is_free_again(clients, setup, serve, how):
    serve(bytes=100 * KIB, files=2)
    client = clients.login()
    upload(client, "file", bytes(80 * KIB))
    match how:
        case "delete":
            client.delete("file")
        case "overwrite":
            # Both are there for a while: both must fit.
            upload(client, "file", bytes(20 * KIB))
        case "append":
            client.storbinary("APPE file", io.BytesIO(bytes(10 * KIB)))
        case "rename over":
            upload(client, "other", bytes(10 * KIB))
            client.rename("other", "file")
        case "abort":
            with begun(client, "STOR other") as connection:
                connection.sendall(bytes(10 * KIB))
                wait_for(lambda: available(client) == 10 * KIB, "the bytes")
                client.putcmd("ABOR")
                assert refusal(client.getresp).startswith("426 ")
                client.getresp()
            # It is kept to go on with, and counts; a whole upload takes its place.
            assert available(client) == 10 * KIB
            upload(client, "other", b"")
        case "fail":
            assert failed_upload(client, "STOR other", bytes(21 * KIB)).startswith("552 ")
    assert available(client) == 100 * KIB - held(home(setup))
    with suppress(OSError):
        (home(setup) / STAGING).rmdir()
    assert not (home(setup) / STAGING).exists()


def test_what_was_cut_off_counts_until_it_is_gone_on_with(clients, setup, serve):
    serve(bytes=100 * KIB, files=1)
    client = clients.login()
    assert cut_off(client, "file", bytes(60 * KIB)).startswith("426 ")
    assert available(client) == 40 * KIB
    client.makepasv()
    assert refusal(lambda: client.sendcmd("STOR other")).startswith("552 ")
    client.storbinary("APPE file", io.BytesIO(bytes(40 * KIB)))
    assert available(client) == 0
    assert held(home(setup)) == 100 * KIB


def test_what_was_swept_is_free_again(clients, setup, serve):
    serve(bytes=100 * KIB)
    client = clients.login()
    cut_off(client, "file", bytes(60 * KIB))
    (partial_file,) = (home(setup) / STAGING).iterdir()
    os.utime(partial_file, (0, 0))
    assert available(clients.login()) == 100 * KIB
    assert available(client) == 100 * KIB


def test_overwriting_uploads_that_are_cut_off_make_no_files_for_nothing(clients, setup, serve):
    serve(files=3)
    client = clients.login()
    upload(client, "one")
    upload(client, "two")
    for _ in range(2):
        for name in ("one", "two"):
            assert cut_off(client, name, b"part").startswith("426 ")
    assert sum(path.is_file() for path in home(setup).rglob("*")) <= 3


def test_what_others_do_in_a_home_is_noticed(clients, setup, serve, monkeypatch):
    monkeypatch.setattr(server_module, "QUOTA_REFRESH_SECONDS", 0.1)
    serve(bytes=100 * KIB)
    client = clients.login()
    (home(setup) / "theirs").write_bytes(bytes(30 * KIB))
    wait_for(lambda: available(client) == 70 * KIB, "the count")
    # Also another user whose home holds this one.
    clients.login("boss").delete("alice/theirs")
    wait_for(lambda: available(client) == 100 * KIB, "the count")


def test_avbl_tells_what_the_disk_has_without_a_quota(clients, setup, server):
    client = clients.login()
    found = os.statvfs(setup.storage)
    assert available(client) == pytest.approx(found.f_bavail * found.f_frsize, rel=0.05)
    client.mkd("folder")
    assert client.sendcmd("AVBL folder").startswith("213 ")
    assert refusal(lambda: client.sendcmd("AVBL nowhere")).startswith("550 ")


def test_metrics_tell_what_a_home_holds(clients, setup, start):
    setup.users(user(quota={"bytes": 100 * KIB, "files": 2}), user("boss", homeDirectory="/", quota={"files": 100}))
    start()
    client = clients.login()
    upload(client, "file", bytes(60 * KIB))
    clients.login("boss")
    assert clients.metric('ftps_server_quota_used_bytes{home="/alice"}') == 60 * KIB
    assert clients.metric('ftps_server_quota_used_files{home="/alice"}') == 1
    assert clients.metric('ftps_server_quota_used_files{home="/"}') == 1
    assert failed_upload(client, "STOR large", bytes(60 * KIB)).startswith("552 ")
    assert clients.metric("ftps_server_quota_exceeded_total") == 1
