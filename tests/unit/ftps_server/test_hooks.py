"""Events reach an HTTP server, in order, signed, also when it fails for a while or the process ends."""

import datetime
import hashlib
import hmac
import json
import os
import shutil
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ftps_server.config import ConfigError, HooksConfig
from ftps_server.hooks import UploadHooks
from ftps_server.metrics import Metrics
from unit.ftps_server.harness import wait_for

KEY = b"signing key"
SECRET = "s3cret"


class Receiver:
    """A real HTTP server, which answers as told, then 204. `None` is told for an answer that never comes."""

    def __init__(self, tls=None):
        self.requests, self.statuses, self.connections, self.ends_connections = [], [], set(), False
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, self.headers, body))
                receiver.connections.add(self.client_address)
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                if status is None:
                    receiver._released.wait()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                self.close_connection = receiver.ends_connections

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_):
                """A client that refuses the certificate."""

        self.http = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def port(self):
        return self.http.server_address[1]

    @property
    def names(self):
        return [json.loads(body)["name"] for _, _, body in self.requests]

    def close(self):
        self._released.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


class Bed:
    """The hooks of one directory."""

    def __init__(self, directory):
        self.directory, self.metrics, self.made = directory, Metrics(), []

    def hooks(self, url, **changes):
        fields = {"url": url, "queue_directory": str(self.directory), "timeout_seconds": 1} | changes
        hooks = UploadHooks(HooksConfig(**fields), KEY, metrics=self.metrics, first_delay=0.01)
        self.made.append(hooks)
        return hooks

    def count(self, outcome):
        name = "ftps_server_hook_events_total"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0

    @property
    def queued(self):
        return self.metrics.registry.get_sample_value("ftps_server_hook_queue")

    def wait_until_empty(self):
        wait_for(lambda: self.queued == 0, "an empty queue")


@pytest.fixture
def bed(tmp_path):
    bed = Bed(tmp_path / "queue")
    yield bed
    for hooks in bed.made:
        hooks.close()


def url(receiver, scheme="http", secret=""):
    return f"{scheme}://{secret}127.0.0.1:{receiver.port}/uploads?to={SECRET}"


def test_an_event_is_posted_as_it_was_stored_and_signed(bed, receiver):
    before = bed.hooks("http://127.0.0.1:1/")
    before.close()
    before.submit({"name": "a.txt", "odd": "\udcff"})
    (stored,) = [file.read_bytes() for file in bed.directory.iterdir()]
    receiver.statuses = [503]
    bed.hooks(url(receiver))
    bed.wait_until_empty()

    for path, headers, body in receiver.requests:
        assert path == f"/uploads?to={SECRET}"
        assert headers["Content-Type"] == "application/json"
        moment, signature = (part.split("=")[1] for part in headers["Ftps-Server-Signature"].split(","))
        assert abs(int(moment) - time.time()) < 60
        assert signature == hmac.new(KEY, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert [body for _, _, body in receiver.requests] == [stored, stored]
    event = json.loads(stored)
    assert (event["type"], event["name"], event["odd"]) == ("upload", "a.txt", "\udcff")
    assert uuid.UUID(event["id"]).version == 4
    assert datetime.datetime.fromisoformat(event["time"]).utcoffset() == datetime.timedelta()
    assert list(bed.directory.iterdir()) == []
    assert bed.count("delivered") == 1


@pytest.mark.parametrize("status", [500, 503, 429, 408, 302])
def test_what_may_go_well_later_is_tried_again_before_the_next(bed, receiver, status):
    receiver.statuses = [status, status]
    hooks = bed.hooks(url(receiver))
    hooks.submit({"name": "first"})
    hooks.submit({"name": "second"})
    bed.wait_until_empty()
    assert receiver.names == ["first", "first", "first", "second"]
    assert (bed.count("retried"), bed.count("delivered")) == (2, 2)


@pytest.mark.parametrize("status", [400, 404, 410])
def test_what_the_server_will_never_take_is_dropped_with_a_warning(bed, receiver, status, caplog):
    receiver.statuses = [status]
    hooks = bed.hooks(url(receiver))
    hooks.submit({"name": "first"})
    hooks.submit({"name": "second"})
    bed.wait_until_empty()
    assert receiver.names == ["first", "second"]
    assert (bed.count("dropped"), bed.count("delivered")) == (1, 1)
    (record,) = caplog.records
    assert record.message == "hook event dropped"
    assert (record.details["reason"], record.details["upload"]["name"]) == (f"status {status}", "first")


def test_a_server_that_hangs_is_given_up_and_asked_again(bed, receiver):
    receiver.statuses = [None]
    bed.hooks(url(receiver)).submit({"name": "a"})
    bed.wait_until_empty()
    assert receiver.names == ["a", "a"]
    assert bed.count("delivered") == 1


def test_closing_waits_for_a_hanging_server_but_not_for_long(bed, receiver, monkeypatch):
    monkeypatch.setattr("ftps_server.hooks.CLOSE_SECONDS", 0.2)
    receiver.statuses = [None]
    hooks = bed.hooks(url(receiver), timeout_seconds=600)
    hooks.submit({"name": "a"})
    wait_for(lambda: receiver.requests)
    hooks.close()
    assert hooks._thread.is_alive()
    assert len(list(bed.directory.iterdir())) == 1


def test_closing_does_not_wait_for_the_next_attempt(bed):
    hooks = bed.hooks("http://127.0.0.1:1/")
    hooks._first_delay = 600
    hooks.submit({"name": "a"})
    wait_for(lambda: bed.count("retried"))
    hooks.close()
    assert not hooks._thread.is_alive()


def test_a_restart_delivers_what_was_left_the_oldest_first(bed, receiver):
    before = bed.hooks("http://127.0.0.1:1/")
    for name in ("first", "second", "third"):
        before.submit({"name": name})
    before.close()
    (bed.directory / "12345.part").write_text('{"name": "cut sho')
    (bed.directory / "00000000000000000001.json").write_text("")
    (bed.directory / "notes.json").write_text("{}")

    after = bed.hooks(url(receiver))
    after.submit({"name": "fourth"})
    bed.wait_until_empty()
    assert receiver.names == ["first", "second", "third", "fourth"]
    assert (bed.count("delivered"), bed.count("dropped")) == (4, 1)
    assert [file.name for file in bed.directory.iterdir()] == ["notes.json"]


def test_events_keep_their_order_when_the_clock_is_set_back(bed, receiver, monkeypatch):
    hooks = bed.hooks("http://127.0.0.1:1/")
    hooks.submit({"name": "first"})
    hooks.close()
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    for name in ("second", "third"):
        hooks.submit({"name": name})
    bed.hooks(url(receiver))
    wait_for(lambda: len(receiver.names) == 3)
    assert receiver.names == ["first", "second", "third"]


def test_a_full_queue_drops_what_is_new(bed, receiver, caplog):
    receiver.statuses = [None]
    hooks = bed.hooks(url(receiver), max_queued=2)
    for name in ("first", "second", "third"):
        hooks.submit({"name": name})
    assert bed.count("dropped") == 1
    (dropped,) = [record for record in caplog.records if record.message == "hook event dropped"]
    assert (dropped.details["reason"], dropped.details["upload"]["name"]) == ("the queue is full", "third")
    bed.wait_until_empty()
    assert receiver.names == ["first", "first", "second"]


def test_what_cannot_be_stored_is_dropped_and_no_error(bed, receiver, caplog):
    hooks = bed.hooks(url(receiver))
    shutil.rmtree(bed.directory)
    hooks.submit({"name": "a"})
    assert bed.count("dropped") == 1
    assert "hook event dropped" in caplog.text


def test_one_connection_serves_many_events_and_its_end_is_no_failure(bed, receiver):
    hooks = bed.hooks(url(receiver))
    for name in ("first", "second"):
        hooks.submit({"name": name})
    wait_for(lambda: bed.count("delivered") == 2)
    assert len(receiver.connections) == 1
    receiver.ends_connections = True
    for count in (3, 4, 5):
        hooks.submit({"name": str(count)})
        wait_for(lambda count=count: bed.count("delivered") == count)
    assert bed.count("retried") == 0


def test_no_secret_of_the_url_is_logged(bed, receiver, caplog):
    receiver.statuses = [500, 400]
    hooks = bed.hooks(url(receiver, secret=f"hook:{SECRET}%21@"))
    hooks.submit({"name": "a"})
    bed.wait_until_empty()
    assert receiver.requests[0][1]["Authorization"] == "Basic aG9vazpzM2NyZXQh"
    told = [record.details for record in caplog.records]
    assert {details["server"] for details in told} == {"http://127.0.0.1"}
    assert SECRET not in str(told)


def test_a_server_that_cannot_prove_who_it_is_gets_nothing(bed, identity, pki, tmp_path, monkeypatch):
    pem = tmp_path / "server.pem"
    pem.write_bytes(b"".join(identity))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pem)
    receiver = Receiver(tls)
    try:
        stranger = bed.hooks(url(receiver, "https"))
        stranger.submit({"name": "a"})
        wait_for(lambda: bed.count("retried") >= 2)
        stranger.close()
        assert receiver.requests == []

        (tmp_path / "ca.pem").write_bytes(pki.root())
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(tmp_path / "ca.pem"))
        bed.hooks(url(receiver, "https"))
        bed.wait_until_empty()
        assert receiver.names == ["a"]
    finally:
        receiver.close()


def test_a_directory_that_cannot_be_used_is_told_at_start(bed):
    bed.directory.write_text("a file")
    with pytest.raises(ConfigError, match="hooks.queueDirectory: File exists"):
        bed.hooks("http://127.0.0.1:1/")


def test_an_empty_key_signs_nothing(bed):
    config = HooksConfig(url="http://127.0.0.1:1/", queue_directory=str(bed.directory))
    with pytest.raises(ConfigError, match="the key is empty"):
        UploadHooks(config, b"", metrics=bed.metrics)
