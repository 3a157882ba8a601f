"""What is read and written, part by part."""

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftps_server.protocol import transfers
from ftps_server.protocol.transfers import AsciiDownload, Download, Incoming, Listing

BUFFER = memoryview(bytearray(1 << 16))


class Sink:
    """An upload that keeps what it gets."""

    def __init__(self):
        self.content = b""
        self.committed = False

    def write(self, data):
        self.content += bytes(data)

    def commit(self):
        self.committed = True


def file_of(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    return path.open("rb", buffering=0)


def everything(outgoing, buffer=BUFFER):
    parts = []
    while part := outgoing.read(buffer):
        parts.append(bytes(part))
    outgoing.drop()
    return b"".join(parts)


def test_a_file_is_read_in_parts_of_the_buffers_size(tmp_path):
    content = os.urandom(1000)
    download = Download("RETR", "/file", file_of(tmp_path, content))
    assert everything(download, BUFFER[:300]) == content
    assert download.moved == 1000


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_are_sent_with_crlf_wherever_parts_meet(tmp_path, monkeypatch, size):
    monkeypatch.setattr(transfers, "ASCII_BYTES", size)
    content = b"one\ntwo\r\n\r\rthree\n\n\r\n"
    sent = everything(AsciiDownload("RETR", "/file", file_of(tmp_path, content)))
    assert sent == b"one\r\ntwo\r\n\r\rthree\r\n\r\n\r\n"


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x"])), st.data())
def test_lines_are_stored_with_lf_wherever_parts_meet(pieces, data):
    content = b"".join(pieces)
    sink = Sink()
    incoming = Incoming("STOR", "/file", sink, ascii=True)
    at = 0
    while at < len(content):
        end = data.draw(st.integers(at + 1, len(content)))
        incoming.write(memoryview(content[at:end]))
        at = end
    incoming.finish()
    assert sink.content == content.replace(b"\r\n", b"\n")
    assert sink.committed
    assert incoming.moved == len(content)


def test_a_listing_is_sent_in_parts():
    lines = [b"line\r\n"] * 20_000
    listing = Listing("LIST", "/", iter(lines))
    parts = []
    while (part := listing.read(BUFFER)) != b"":
        parts.append(part or b"")
    assert b"".join(parts) == b"".join(lines)
    assert len(parts) > 1


def test_a_listing_that_has_nothing_yet_lets_others_go_first(monkeypatch):
    monkeypatch.setattr(transfers, "LISTING_SECONDS", 0.0)
    listing = Listing("LIST", "/", iter([b"", b"line\r\n"]))
    assert [listing.read(BUFFER) for _ in range(3)] == [None, b"line\r\n", b""]


def test_text_is_read_from_where_the_file_stands(tmp_path):
    file = file_of(tmp_path, b"skipped\nread\n")
    file.seek(8)
    assert everything(AsciiDownload("RETR", "/file", file)) == b"read\r\n"
    assert isinstance(file, io.FileIO)
