"""Upload hooks: an HTTP server learns of what is complete, and of nothing else."""

import hashlib
import hmac
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from features.harness import begun, cut_off, download, failed_upload, upload
from ftps_server import hooks
from unit.ftps_server.harness import free_ports, user, wait_for

KEY = b"the key that signs"


@contextmanager
def receiver(port: int, status: int = 204):
    """An HTTP server, and what it has received."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            """Not in the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield received
        server.shutdown()
        thread.join()


@pytest.fixture
def port(setup, monkeypatch):
    """Where the hooks are sent; nobody listens there yet."""
    monkeypatch.setattr(hooks.UploadHooks.__init__, "__kwdefaults__", {"first_delay": 0.05})
    port = free_ports(1)
    setup.write_bytes("hooks/key", KEY + b"\n")
    queue = str(setup.directory / "queue")
    setup.configure(hooks={"url": f"http://127.0.0.1:{port}/uploads", "queueDirectory": queue})
    return port


def events(received) -> list[dict[str, object]]:
    return [json.loads(body) for _, body in received]


def test_a_completed_upload_is_told_and_signed(clients, port, start):
    with receiver(port) as received:
        start()
        client = clients.login()
        upload(client, "größe.txt", b"0123456789")
        wait_for(lambda: received, "the event")
    ((headers, body),) = received
    seconds, signature = (part.split("=")[1] for part in headers["Ftps-Server-Signature"].split(","))
    assert signature == hmac.new(KEY, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    (event,) = events(received)
    expected = {"type": "upload", "command": "STOR", "path": "/größe.txt", "bytes": 10, "user": "alice"}
    assert expected.items() <= event.items()
    assert event["client"] == "127.0.0.1"
    assert clients.metric('ftps_server_hook_events_total{outcome="delivered"}') == 1


def test_only_what_is_complete_is_told(clients, setup, port, start):
    setup.users(user(quota={"bytes": 100}))
    with receiver(port) as received:
        start()
        client = clients.login()
        assert cut_off(client, "cut", b"half").startswith("426 ")
        assert failed_upload(client, "STOR large", bytes(200)).startswith("552 ")
        with begun(client, "STOR aborted") as connection:
            connection.sendall(b"half")
            client.putcmd("ABOR")
            client.getmultiline(), client.getmultiline()
        upload(client, "whole", b"content")
        download(client, "whole")
        client.nlst()
        upload(client, "cut", b"way", rest=4)
        upload(client, "whole", b"again")
        wait_for(lambda: len(received) >= 3, "the events")
    assert [(event["path"], event["bytes"]) for event in events(received)] == [
        ("/whole", 7),
        ("/cut", 3),
        ("/whole", 5),
    ]


def test_the_file_is_there_under_its_name_when_it_is_told_of(clients, setup, port, start):
    there = []
    with receiver(port) as received:
        start()
        client = clients.login()
        for number in range(5):
            upload(client, f"file-{number}", b"content")
        wait_for(lambda: len(received) == 5, "the events")
        there = [(setup.storage / f"alice{event['path']}").read_bytes() for event in events(received)]
    assert there == [b"content"] * 5


def test_what_could_not_be_told_is_told_later_and_in_order(clients, port, start):
    start()
    client = clients.login()
    upload(client, "first")
    wait_for(lambda: clients.metric('ftps_server_hook_events_total{outcome="retried"}'), "an attempt")
    upload(client, "second")
    assert clients.metric("ftps_server_hook_queue") == 2
    with receiver(port, status=503) as refused:
        wait_for(lambda: refused, "an attempt")
    with receiver(port) as received:
        wait_for(lambda: len(received) == 2, "the events")
    assert [event["path"] for event in events(received)] == ["/first", "/second"]
    # The same event, so that a receiver may tell.
    assert {event["id"] for event in events(refused)} == {events(received)[0]["id"]}
    wait_for(lambda: clients.metric("ftps_server_hook_queue") == 0, "an empty queue")


def test_what_could_not_be_told_outlives_the_process(clients, port, launch):
    process = launch()
    upload(clients.login(), "file")
    wait_for(lambda: clients.metric("ftps_server_hook_queue") == 1, "the event")
    process.kill()
    with receiver(port) as received:
        launch()
        wait_for(lambda: received, "the event")
    assert events(received)[0]["path"] == "/file"
