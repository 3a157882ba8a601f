"""Transfers: what was sent is what is there, and an end is believed only from the client itself."""

import errno
import ftplib
import hashlib
import io
import os
import shutil
import socket
import ssl
import struct
import subprocess

import pytest

from ftps_server import newticket, uploads
from ftps_server.protocol.commands import dataconnection
from unit.ftps_server.harness import DEADLINE, PASSWORD, wait_for

MIB = 1 << 20
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(autouse=True)
def _running(server):
    """Every test here needs a server."""


def data_connection(client):
    """A data connection that EPSV offers, not yet encrypted."""
    host, port = ftplib.parse229(client.sendcmd("EPSV"), client.sock.getpeername())
    return socket.create_connection((host, port), timeout=DEADLINE)


def secured(clients, client):
    """A data connection that EPSV offers, after its handshake."""
    raw = data_connection(client)
    return client.context.wrap_socket(raw, server_hostname="localhost", session=client.sock.session)


@pytest.mark.parametrize("version", VERSIONS)
def test_100_mib_go_up_and_down_unchanged(clients, setup, version):
    content = os.urandom(MIB) * 100
    client = clients.login(version=version)
    assert client.storbinary("STOR big", io.BytesIO(content), MIB).startswith("226 ")
    assert hashlib.sha256((setup.storage / "alice/big").read_bytes()).digest() == hashlib.sha256(content).digest()
    received = hashlib.sha256()
    assert client.retrbinary("RETR big", received.update, MIB).startswith("226 ")
    assert received.digest() == hashlib.sha256(content).digest()
    client.delete("big")  # pytest keeps the folders of several runs


@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_file_and_an_empty_listing_are_transferred(clients, version):
    client = clients.login(version=version)
    assert client.nlst() == []
    client.storbinary("STOR nothing", io.BytesIO())
    received = []
    client.retrbinary("RETR nothing", received.append)
    assert received == []


@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
def test_curl_transfers(setup, pki, tmp_path, version):
    content = os.urandom(3 * MIB + 1)
    (tmp_path / "ca.pem").write_bytes(pki.root())
    (tmp_path / "up").write_bytes(content)
    url = f"ftp://localhost:{setup.explicit}/file"
    command = ["curl", "--silent", "--show-error", "--ssl-reqd", f"--{version}", "--cacert", str(tmp_path / "ca.pem")]
    command += ["--user", f"alice:{PASSWORD}", url]
    subprocess.run([*command, "--upload-file", str(tmp_path / "up")], check=True, timeout=30)
    subprocess.run([*command, "--output", str(tmp_path / "down")], check=True, timeout=30)
    assert (tmp_path / "down").read_bytes() == content


@pytest.mark.skipif(shutil.which("lftp") is None, reason="lftp is not installed")
def test_lftp_transfers_in_both_modes(setup, pki, tmp_path):
    content = os.urandom(3 * MIB + 1)
    (tmp_path / "ca.pem").write_bytes(pki.root())
    (tmp_path / "up").write_bytes(content)
    settings = f"set ssl:ca-file {tmp_path}/ca.pem; set net:max-retries 1; set cmd:fail-exit yes"
    for scheme, port in (("ftp", setup.explicit), ("ftps", setup.implicit)):
        actions = f"put {tmp_path}/up -o {scheme}; get {scheme} -o {tmp_path}/{scheme}; cls; bye"
        command = ["lftp", "-e", f"{settings}; open -u alice,'{PASSWORD}' {scheme}://localhost:{port}; {actions}"]
        subprocess.run(command, check=True, timeout=30)
        assert (tmp_path / scheme).read_bytes() == content


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
def test_an_upload_that_is_cut_off_is_an_error(clients, reset):
    client = clients.login()
    data = secured(clients, client)
    assert client.sendcmd("STOR cut").startswith("1")
    data.sendall(b"half a file")
    wait_for(lambda: "Total bytes received: 11" in client.sendcmd("STAT"), "the first half")
    if reset:
        data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    data.close()  # without unwrap(): no close_notify
    with pytest.raises(ftplib.error_temp, match="426 "):
        client.getresp()
    # It is answered first, and counted then.
    aborted = 'ftps_server_transfers_total{direction="upload",outcome="aborted"}'
    wait_for(lambda: clients.metric(aborted) == 1, "the count")
    assert clients.metric('ftps_server_transfers_total{direction="upload",outcome="ok"}') is None


def test_a_download_that_is_cut_off_is_an_error(clients, setup):
    client = clients.login()
    with (setup.storage / "alice/big").open("wb") as big:
        big.truncate(64 * MIB)
    with secured(clients, client):
        assert client.sendcmd("RETR big").startswith("1")
    with pytest.raises(ftplib.error_temp, match="426 "):
        client.getresp()


def test_a_full_disk_is_told(clients, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(uploads.os, "write", fail)
    client = clients.login()
    with secured(clients, client) as data:
        assert client.sendcmd("STOR file").startswith("1")
        data.sendall(b"content")
        with pytest.raises(ftplib.error_temp, match="452 No space left on device"):
            client.getresp()


def test_a_client_may_finish_the_handshake_before_it_says_what_for(clients, setup):
    client = clients.login()
    data = secured(clients, client)
    data.sendall(b"early")
    assert client.sendcmd("STOR file").startswith("1")
    data.unwrap().close()
    assert client.getresp().startswith("226 ")
    assert (setup.storage / "alice/file").read_bytes() == b"early"


def test_a_data_connection_that_ends_unused_is_not_answered(clients):
    client = clients.login()
    secured(clients, client).close()
    assert client.sendcmd("PWD").startswith("257 ")
    assert client.nlst() == []


def test_a_failed_handshake_is_answered_to_the_command_that_waits(clients):
    client = clients.login()
    with data_connection(client) as raw:
        client.putcmd("NLST")
        assert client.getresp().startswith("150 ")
        raw.sendall(b"no handshake")
        with pytest.raises(ftplib.error_perm, match="522 "):
            client.getresp()
    assert client.nlst() == []


def test_a_client_that_leaves_before_the_handshake_gets_its_answer(clients):
    client = clients.login()
    with data_connection(client):
        client.putcmd("NLST")
        assert client.getresp().startswith("150 ")
    with pytest.raises(ftplib.error_perm, match="522 "):
        client.getresp()
    assert client.nlst() == []


def test_a_transfer_without_pasv_is_refused(clients):
    with pytest.raises(ftplib.error_temp, match="425 Use PASV or EPSV first"):
        clients.login().sendcmd("NLST")


def test_an_upload_is_resumed(clients, setup):
    client = clients.login()
    client.storbinary("STOR file", io.BytesIO(b"0123456789"))
    client.storbinary("STOR file", io.BytesIO(b"abc"), rest=4)
    assert (setup.storage / "alice/file").read_bytes() == b"0123abc789"


def test_a_download_is_resumed(clients):
    client = clients.login()
    client.storbinary("STOR file", io.BytesIO(b"0123456789"))
    received = []
    client.retrbinary("RETR file", received.append, rest=4)
    assert b"".join(received) == b"456789"


def test_a_file_is_appended_to(clients):
    client = clients.login()
    client.storbinary("APPE log", io.BytesIO(b"first,"))
    client.storbinary("APPE log", io.BytesIO(b"second"))
    assert client.size("log") == 12


@pytest.mark.parametrize("command", ["LIST", "NLST", "MLSD", "LIST -a", "STAT ."])
def test_listings_name_what_is_there(clients, command):
    client = clients.login()
    client.storbinary("STOR größe.txt", io.BytesIO(b"content"))
    lines = []
    if command.startswith("STAT"):
        lines += client.sendcmd(command).splitlines()
    else:
        client.retrlines(command, lines.append)
    assert any(line.endswith("größe.txt") for line in lines)
    assert "size=7" in client.sendcmd("MLST größe.txt")


def test_text_is_transferred_with_the_ends_of_lines_of_either_side(clients, setup):
    client = clients.login()
    client.storlines("STOR text", io.BytesIO(b"one\r\ntwo\r\n"))
    assert (setup.storage / "alice/text").read_bytes() == b"one\ntwo\n"
    lines = []
    client.retrlines("RETR text", lines.append)
    assert lines == ["one", "two"]


@pytest.mark.parametrize("direction", ["STOR", "RETR", "NLST"])
def test_each_transfer_brings_a_ticket_on_the_control_connection_and_none_on_its_own(clients, setup, direction):
    client = clients.login(version=ssl.TLSVersion.TLSv1_3)
    (setup.storage / "alice/file").write_bytes(b"content")
    offered = client.sock.session
    with secured(clients, client) as data:
        client.putcmd(f"{direction} file")
        assert client.getresp().startswith("1")
        if direction != "STOR":
            while data.recv(100):
                pass
        tls = data._sslobj  # unwrap() forgets it
        data.unwrap()
    assert client.getresp().startswith("226 ")
    # Each ticket makes a session with an ID of its own.
    assert tls.session.id == offered.id
    assert client.sock.session.id != offered.id


@pytest.mark.parametrize(("fresh", "tickets"), [(60.0, 1), (0.0, 2)])
def test_behind_a_long_transfer_there_is_a_ticket_that_has_not_aged(clients, monkeypatch, fresh, tickets):
    issued = []
    issue = newticket.issue
    monkeypatch.setattr(newticket, "issue", lambda stream: (issued.append(stream), issue(stream)))
    monkeypatch.setattr(dataconnection, "FRESH_SECONDS", fresh)
    client = clients.login(version=ssl.TLSVersion.TLSv1_3)
    assert client.nlst() == []
    assert len(issued) == tickets
    assert client.nlst() == []
