"""Commands beside the transfers: what is offered is there, and what is unsafe is not."""

import ftplib
import os
import re
import time
from functools import partial

import pytest

from features.harness import answer, begun, download, home, lines, refusal, rest, upload
from unit.ftps_server.harness import PASSWORD, user


@pytest.fixture(autouse=True)
def _running(setup, start):
    setup.users(user(), user("bob"))
    start()


@pytest.fixture
def client(clients):
    return clients.login()


# What there is


def features(client) -> dict[str, str]:
    """The first words of what FEAT lists, and what follows them."""
    found = (line.strip().partition(" ") for line in client.sendcmd("FEAT").splitlines()[1:-1])
    return {name: value for name, _, value in found}


def test_features_are_listed_before_and_after_the_login(clients, client):
    expected = [
        "AUTH",
        "AVBL",
        "CLNT",
        "EPSV",
        "HASH",
        "HOST",
        "MDTM",
        "MFMT",
        "MLST",
        "PBSZ",
        "PROT",
        "REST",
        "SIZE",
        "TVFS",
        "UTF8",
    ]
    assert sorted(features(client)) == expected
    plain = clients.plain()
    assert features(plain) == features(client)
    implicit = clients.implicit()
    assert sorted(features(implicit)) == [name for name in expected if name != "AUTH"]


def test_every_feature_is_a_command_that_is_understood(client):
    commands = set(features(client)) - {"TVFS", "UTF8", "REST"} | {"XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512"}
    for name in commands:
        assert not answer(partial(client.sendcmd, name)).startswith(("500 ", "502 "))
        assert client.sendcmd(f"HELP {name}").startswith("214 Syntax:")


def test_site_offers_help_and_no_change_of_modes(client, setup):
    upload(client, "file")
    mode = (home(setup) / "file").stat().st_mode
    assert "CHMOD" not in client.sendcmd("SITE HELP")
    for command in ("SITE CHMOD 777 file", "SITE EXEC ls", "SITE UMASK 000", "SITE CPFR file", "SITE"):
        assert refusal(lambda command=command: client.sendcmd(command)).startswith("50")
    assert (home(setup) / "file").stat().st_mode == mode


# HOST


def test_host_names_the_server_before_the_login_only(clients, pki):
    client = clients.connect()
    assert client.sendcmd("HOST localhost") == "220 Host accepted."
    client.auth()
    for name in ("localhost", "LocalHost.", "127.0.0.1", "[::1]"):
        assert client.sendcmd(f"HOST {name}") == "220 Host accepted."
    assert refusal(lambda: client.sendcmd("HOST other.example.org")) == "504 Unknown host."
    client.login("alice", PASSWORD, secure=False)
    assert refusal(lambda: client.sendcmd("HOST localhost")).startswith("503 ")


# Files


NAMES = ["größe.txt", "日本語.txt", "with space", 'with"quote', "-dash", "emoji-🎉", "a\u0301", "[brackets]*"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_utf8_everywhere(client, setup, name):
    assert client.sendcmd("OPTS UTF8 ON").startswith("200 ")
    upload(client, name, b"content")
    assert (home(setup) / name).read_bytes() == b"content"
    assert download(client, name) == b"content"
    assert client.size(name) == 7
    assert client.nlst() == [name]
    assert [entry for entry, _ in client.mlsd()] == [name]
    assert lines(client, "LIST")[0].endswith(name)
    client.rename(name, f"{name}.2")
    client.mkd(name)
    client.cwd(name)
    assert client.pwd() == f"/{name}"
    client.cwd("..")
    client.rmd(name)
    client.delete(f"{name}.2")
    assert client.nlst() == []


def test_a_name_that_is_no_utf8_is_listed_and_harms_nothing(client, setup):
    (home(setup) / os.fsdecode(b"latin-\xe9")).write_bytes(b"content")
    upload(client, "other")
    for command in ("LIST", "NLST", "MLSD"):
        assert len(lines(client, command)) == 2


def test_a_name_is_one_line_of_a_listing(client):
    client.sock.sendall(b"MKD a\nb\r\n")
    assert client.sock.recv(1000).count(b"\n") == 1
    for command in ("LIST", "NLST", "MLSD"):
        assert len(lines(client, command)) <= 1


def test_facts_and_times_of_a_file_agree(client):
    upload(client, "file", b"content")
    assert client.sendcmd("MFMT 20200102030405 file").startswith("213 Modify=20200102030405; ")
    assert client.sendcmd("MDTM file") == "213 20200102030405"
    facts = re.search(r"^ (\S+) /file$", client.sendcmd("MLST file"), re.MULTILINE)[1]
    listed = dict(client.mlsd())["file"]
    for text in ("modify=20200102030405;", "size=7;", "type=file;"):
        assert text in facts
        name, _, value = text.rstrip(";").partition("=")
        assert listed[name] == value
    client.sendcmd("OPTS MLST size;")
    assert dict(client.mlsd()) == {"file": {"size": "7"}}
    for command in ("MFMT 2020 file", "MFMT 20201301000000 file", "MFMT 20200101000000 nothing", "MDTM nothing"):
        assert refusal(lambda command=command: client.sendcmd(command)).startswith(("550 ", "501 "))


def test_directories_are_made_renamed_and_removed(client):
    assert client.mkd("one") == "/one"
    assert refusal(lambda: client.mkd("one")).startswith("550 ")
    client.rename("one", "two")
    upload(client, "two/file")
    assert refusal(lambda: client.rmd("two")).startswith("550 ")
    client.delete("two/file")
    client.rmd("two")
    assert refusal(lambda: client.rmd("/")).startswith("550 ")
    assert refusal(lambda: client.sendcmd("RNTO two")).startswith("503 ")


def test_a_download_goes_on_where_it_was(client):
    upload(client, "file", b"0123456789")
    assert download(client, "file", rest=4) == b"456789"
    assert download(client, "file", rest=10) == b""
    with pytest.raises(ftplib.error_perm, match="554 "):
        download(client, "file", rest=11)
    assert download(client, "file") == b"0123456789"


# Sessions


def test_a_transfer_is_finished_behind_quit(clients, setup):
    (home(setup) / "big").write_bytes(bytes(24 << 20))
    reader, writer = clients.login(), clients.login()
    with begun(reader, "RETR big") as reading, begun(writer, "STOR file") as writing:
        writing.sendall(b"half")
        for client in (reader, writer):
            assert client.sendcmd("QUIT").startswith("221 ")
        writing.sendall(b"way")
        writing.unwrap()
        assert len(rest(reading)) == 24 << 20
    for client in (reader, writer):
        assert client.getresp().startswith("226 ")
        assert rest(client.sock) == b""
    assert (home(setup) / "file").read_bytes() == b"halfway"


def test_rein_forgets_the_user_and_keeps_tls(clients):
    client = clients.login()
    assert client.sendcmd("REIN").startswith("2")
    for command in ("PWD", "PASV", "NLST", "STAT /"):
        assert refusal(lambda command=command: client.sendcmd(command)).startswith("530 ")
    client.login("bob", PASSWORD, secure=False)
    assert refusal(lambda: client.sendcmd("PASV")).startswith("521 ")
    client.sendcmd("PBSZ 0")
    client.prot_p()
    upload(client, "bobs")
    assert clients.login().nlst() == []


def test_ipv6_is_served_by_epsv(clients):
    client = clients.connect(host="::1")
    client.login("alice", PASSWORD)
    client.prot_p()
    upload(client, "file", b"content")
    assert download(client, "file") == b"content"
    assert refusal(lambda: client.sendcmd("PASV")).startswith("425 ")


def test_a_second_transfer_waits_for_its_turn(client, setup):
    (home(setup) / "big").write_bytes(bytes(24 << 20))
    with begun(client, "RETR big") as connection:
        for command in ("RETR big", "STOR other", "NLST"):
            assert refusal(lambda command=command: client.sendcmd(command)).startswith("4")
        # Others can be asked meanwhile.
        assert client.sendcmd("PWD").startswith("257 ")
        assert "Total bytes sent" in client.sendcmd("STAT")
        assert len(rest(connection)) == 24 << 20
        connection.unwrap()
    assert client.voidresp().startswith("226 ")


def test_commands_that_come_in_one_piece_are_answered_in_their_order(client):
    client.sock.sendall(b"PWD\r\nSYST\r\nTYPE I\r\nHASH nothing\r\nNOOP\r\nXYZZY\r\nPWD\r\n")
    codes = [answer(client.getresp)[:3] for _ in range(7)]
    assert codes == ["257", "215", "200", "550", "200", "500", "257"]


def test_modes_and_structures_that_nobody_uses_are_refused(client):
    for command in (
        "MODE S",
        "STRU F",
        "TYPE I",
        "TYPE A",
        "TYPE A N",
        "TYPE L 8",
        "ALLO 100",
        "CLNT me",
        "OPTS UTF8 ON",
    ):
        assert client.sendcmd(command)[0] == "2"
    for command in ("MODE B", "MODE C", "STRU R", "TYPE E", "SMNT x", "ACCT x", "PROT S", "CCC", "EPSV 9"):
        assert refusal(lambda command=command: client.sendcmd(command))[0] == "5"


def test_a_listing_of_one_file_and_of_what_is_not_there(client):
    upload(client, "file", b"content")
    assert [line.split()[-1] for line in lines(client, "LIST file")] == ["file"]
    assert lines(client, "NLST file") == ["file"]
    for command in ("LIST nothing", "NLST nothing", "MLSD nothing", "MLSD file", "RETR nothing", "CWD file"):
        client.makepasv()
        assert refusal(lambda command=command: client.sendcmd(command)).startswith(("550 ", "501 "))
    modified = dict(client.mlsd())["file"]["modify"]
    assert abs(time.time() - time.mktime(time.strptime(modified, "%Y%m%d%H%M%S")) + time.timezone) < 60
