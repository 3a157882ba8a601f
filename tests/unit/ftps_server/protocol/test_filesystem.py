"""Links do not lead out of a home directory, and pipes hold nobody up."""

import ftplib
import io
import os

import pytest

from ftps_server.uploads import STAGING


def visible(home):
    return [path for path in home.iterdir() if path.name != STAGING]


@pytest.fixture(autouse=True)
def _running(server):
    """Every test here needs a server."""


@pytest.fixture
def home(setup):
    path = setup.storage / "alice"
    path.mkdir()
    return path


@pytest.fixture
def outside(home, tmp_path):
    """A directory that a link in the home leads to."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_bytes(b"secret")
    (home / "link").symlink_to(path)
    return path


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "command",
    ["CWD link", "RETR link/secret", "SIZE link/secret", "DELE link/secret", "MKD link/new", "RNFR link/secret"],
)
def test_a_link_that_leads_out_is_refused(clients, command):
    client = clients.login()
    client.sendcmd("TYPE I")
    with pytest.raises(ftplib.error_perm, match="550 .* outside"):
        client.sendcmd(command)


@pytest.mark.parametrize("command", ["STOR link/new", "APPE link/new", "STOU link/new"])
def test_nothing_is_written_through_a_link_that_leads_out(clients, outside, command):
    client = clients.login()
    with pytest.raises((ftplib.error_perm, ftplib.error_temp), match="(?i)outside"):
        client.storbinary(command, io.BytesIO(b"content"))
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_dangling_link_is_not_filled(clients, home, tmp_path):
    (home / "dangling").symlink_to(tmp_path / "not-there")
    with pytest.raises(ftplib.error_perm, match="550 "):
        clients.login().storbinary("STOR dangling", io.BytesIO(b"content"))
    assert not (tmp_path / "not-there").exists()


def test_the_home_is_the_root(clients, home):
    client = clients.login()
    assert client.pwd() == "/"
    client.cwd("../../..")
    assert client.pwd() == "/"
    client.storbinary("STOR ../../file", io.BytesIO(b"content"))
    assert (home / "file").read_bytes() == b"content"


def test_a_link_within_the_home_is_followed(clients, home):
    (home / "folder").mkdir()
    (home / "link").symlink_to(home / "folder")
    client = clients.login()
    client.cwd("link")
    client.storbinary("STOR file", io.BytesIO(b"content"))
    assert (home / "folder/file").read_bytes() == b"content"


def test_stou_makes_a_file_of_its_own(clients, home):
    client = clients.login()
    client.storbinary("STOU", io.BytesIO(b"first"))
    client.storbinary("STOU", io.BytesIO(b"second"))
    assert {path.read_bytes() for path in visible(home)} == {b"first", b"second"}


def test_a_pipe_is_no_file(clients, home):
    os.mkfifo(home / "pipe")
    with pytest.raises(ftplib.error_perm, match="550 Not a regular file"):
        clients.login().retrbinary("RETR pipe", bytes)


def test_directories_and_names_are_managed(clients, home):
    client = clients.login()
    client.mkd("a")
    client.rename("a", "b")
    client.storbinary("STOR b/file", io.BytesIO(b"content"))
    assert [(name, facts["type"], facts.get("size")) for name, facts in client.mlsd("b")] == [("file", "file", "7")]
    client.sendcmd("MFMT 20200102030405 b/file")
    assert client.sendcmd("MDTM b/file") == "213 20200102030405"
    client.delete("b/file")
    client.rmd("b")
    assert list(visible(home)) == []
    with pytest.raises(ftplib.error_perm, match="550 "):
        client.cwd("b")
