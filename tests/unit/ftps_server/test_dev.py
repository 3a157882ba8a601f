"""A developer's server, as a person meets it: what it prints, and that the printed commands work."""

import ftplib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftps_server.config import ConfigError
from ftps_server.dev import Ports, development
from unit.ftps_server.harness import DEADLINE, free_ports, wait_for


class Running:
    """The process, and what it has told so far."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.ports = Ports.starting_at(free_ports(23))
        self.directory = directory
        words = [sys.executable, "-m", "ftps_server", "--dev", str(directory), "--first-port", str(self.ports.explicit)]
        self.process = subprocess.Popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.greeting = self.events = ""
        threads = [threading.Thread(target=self._read_greeting), threading.Thread(target=self._read_events)]
        for thread in threads:
            thread.start()
        self._threads = threads
        wait_for(lambda: "lftp" in self.greeting and '"started"' in self.events, "the start")

    @property
    def folder(self) -> Path:
        """Where the files are that it made up."""
        return Path(self.told("certificate")).parent

    def told(self, name: str) -> str:
        """A value of the greeting."""
        found = re.search(rf"^  {name} +(.*)$", self.greeting, re.MULTILINE)
        assert found is not None
        return found[1]

    def command(self, start: str) -> str:
        """A printed command."""
        (found,) = re.findall(rf"^  ({start}.*)$", self.greeting, re.MULTILINE)
        return str(found)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal, and wait for what it does."""
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def _read_greeting(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.greeting += line

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events += line


@pytest.fixture
def environment() -> dict[str, str]:
    import ftps_server

    return os.environ | {"PYTHONPATH": str(Path(ftps_server.__file__).parents[1])}


@pytest.fixture
def served(tmp_path) -> Path:
    directory = tmp_path / 'all "my" files'
    directory.mkdir()
    (directory / "FILE").write_bytes(os.urandom(300_000))
    return directory


@pytest.fixture
def running(served, environment) -> Iterator[Running]:
    running = Running(served, environment)
    yield running
    if running.process.returncode is None:
        running.end()
        shutil.rmtree(running.folder)


def sh(command: str, cwd: Path) -> str:
    done = subprocess.run(command, shell=True, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)  # noqa: S602 - as a person pastes it
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_printed_commands_of_curl_work(running, served, tmp_path):
    listing, upload, download = re.findall(r"^  (curl .*)$", running.greeting, re.MULTILINE)
    assert "FILE" in sh(listing, tmp_path)
    sh(download, tmp_path)
    assert (tmp_path / "FILE").read_bytes() == (served / "FILE").read_bytes()
    (tmp_path / "FILE").write_bytes(b"new")
    sh(upload, tmp_path)
    assert (served / "FILE").read_bytes() == b"new"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_certificate_is_verified(running, tmp_path):
    command = running.command("curl .*--remote-name").replace(f"--cacert {running.told('certificate')}", "")
    done = subprocess.run(shlex.split(command), cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == 60  # not signed by anybody known


@pytest.mark.skipif(shutil.which("lftp") is None, reason="needs lftp")
def test_the_printed_command_of_lftp_works(running, served, tmp_path):
    (tmp_path / "sent").write_bytes(b"sent by lftp")
    script = "set net:max-retries 1; put sent; get FILE -o got; bye"
    words = shlex.split(running.command("lftp"))
    words[words.index("-e") + 1] += f"; {script}"
    sh(shlex.join(words), tmp_path)
    assert (served / "sent").read_bytes() == b"sent by lftp"
    assert (tmp_path / "got").read_bytes() == (served / "FILE").read_bytes()


def test_other_machines_cannot_connect(running):
    # This machine too, but not an address that a server for 127.0.0.1 listens on; one for all addresses does.
    for port in (running.ports.explicit, running.ports.implicit, running.ports.passive.first):
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port), timeout=DEADLINE):
            pass


def test_a_client_that_does_not_resume_sessions_is_served(running):
    context = ssl.create_default_context(cafile=running.told("certificate"))
    with ftplib.FTP_TLS(context=context, timeout=DEADLINE) as client:
        client.connect("localhost", running.ports.explicit)
        client.login(running.told("user"), running.told("password"))
        client.prot_p()
        assert client.nlst() == ["FILE"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_when_it_ends(running, number):
    assert (running.folder / "tls.key").exists()
    assert running.end(number) == 0
    assert not running.folder.exists()
    assert [json.loads(line)["event"] for line in running.events.splitlines()][-1] == "stopped"


def test_the_password_is_told_to_the_person_alone(running):
    password = running.told("password")
    running.end(signal.SIGTERM)
    assert password not in running.events


def test_the_current_directory_is_served_if_none_is_named(served, environment):
    ports = Ports.starting_at(free_ports(23))
    words = [sys.executable, "-m", "ftps_server", "--dev", "--first-port", str(ports.explicit)]
    with subprocess.Popen(words, env=environment, cwd=served, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
        process.communicate(timeout=DEADLINE)
    assert line.startswith(f"Serving {served},")


def test_what_is_no_directory_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="gone: not a directory"), development(tmp_path / "gone", Ports()):
        pass


def test_its_settings_serve_as_a_start(served):
    with development(served, Ports()) as made:
        server = made.sources.server()
        assert server.storage_directory == str(served)
        assert "127.0.0.1" in server.listen_addresses
        assert "$argon2id$" in made.sources.files.server.read_text(encoding="utf-8")
        assert made.password not in made.sources.files.server.read_text(encoding="utf-8")
