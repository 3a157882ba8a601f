"""The command: what it says when it cannot start, and how it ends."""

import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from unit.ftps_server.harness import DEADLINE, PASSWORD_HASH, user, wait_for


def command(setup, *, passive: str | None = None) -> list[str]:
    arguments = ["--config-directory", str(setup.directory), "--passive-ports", passive or str(setup.passive)]
    return [sys.executable, "-m", "ftps_server", *arguments]


@pytest.fixture
def environment() -> dict[str, str]:
    import ftps_server

    return os.environ | {"PYTHONPATH": str(Path(ftps_server.__file__).parents[1])}


@pytest.fixture
def process(setup, environment) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command(setup), env=environment, stdout=subprocess.PIPE, text=True) as running:
        yield running
        running.kill()


def break_ciphers(setup):
    setup.configure(tls={"ciphers": "NO-SUCH-CIPHER"})
    return "config/server.json: tls.ciphers: OpenSSL knows none of these ciphers"


def break_limit(setup):
    setup.configure(limits={"maxSessions": 0})
    return "config/server.json: limits.maxSessions: Input should be greater than or equal to 1"


def break_user(setup):
    setup.users(user(passwordHash="secret"))
    return "users/users.json: users.0.passwordHash: Value error, must be an argon2id ($argon2id$…)"


def break_key(setup):
    setup.write_bytes("tls/tls.key", b"nonsense")
    return "tls/tls.key: not a private key in PEM format"


def remove_certificate(setup):
    (setup.directory / "tls/tls.crt").unlink()
    return "tls/tls.crt: No such file or directory"


@pytest.mark.parametrize("damage", [break_ciphers, break_limit, break_user, break_key, remove_certificate])
def test_a_bad_configuration_is_named_in_one_sentence(setup, environment, damage):
    sentence = damage(setup)
    done = subprocess.run(command(setup), env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_a_bad_range_of_ports_is_named(setup, environment):
    arguments = command(setup, passive="50010-50000")
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "passive ports '50010-50000'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success(clients, process, number):
    wait_for(lambda: _ready(clients), "readiness")
    process.send_signal(number)
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    events = [json.loads(line) for line in output.splitlines()]
    assert [line["event"] for line in events][-4:] == ["started", "draining", "drained", "stopped"]
    assert next(line["reason"] for line in events if line["event"] == "draining") == number.name


def test_a_second_signal_cuts_what_the_first_one_waits_for(clients, process):
    wait_for(lambda: _ready(clients), "readiness")
    client = clients.login()
    with client.transfercmd("STOR file"):
        process.terminate()
        wait_for(lambda: clients.metric("ftps_server_draining") == 1, "the drain")
        process.terminate()
        process.communicate(timeout=DEADLINE)
    assert process.returncode == 0


def test_it_may_have_as_many_connections_as_the_system_allows(setup, environment):
    few = ["bash", "-c", 'ulimit -S -n 100; exec "$@"', "bash"]
    with subprocess.Popen([*few, *command(setup)], env=environment, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        wait_for(lambda: '"started"' in running.stdout.readline(), "the start")
        limits = Path(f"/proc/{running.pid}/limits").read_text(encoding="ascii").splitlines()
        running.kill()
    (soft, hard) = next(line for line in limits if line.startswith("Max open files")).split()[3:5]
    assert soft == hard


def test_the_first_process_of_a_container_ends_too(setup, environment):
    # In a PID namespace of its own it is PID 1, and signals without a handler are ignored.
    unshare = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("PID namespaces cannot be made here")
    with subprocess.Popen([*unshare, *command(setup)], env=environment, stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        wait_for(lambda: '"started"' in outer.stdout.readline(), "the start")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text(encoding="ascii").split()
        try:
            os.kill(int(children[0]), signal.SIGTERM)
            outer.communicate(timeout=DEADLINE)
        finally:
            outer.kill()  # it takes the server along
        assert outer.returncode == 0


@pytest.fixture
def toml(setup) -> Path:
    """The setup in one file."""
    file = setup.directory / "ftps-server.toml"
    file.write_text(f"""
storage_directory = "storage"
admin_port = {setup.admin}
explicit.port = {setup.explicit}
implicit.port = {setup.implicit}
passive = {{first_port = {setup.passive.first}, last_port = {setup.passive.last}}}
tls = {{certificate = "tls/tls.crt", private_key = "tls/tls.key"}}

[[users]]
name = "alice"
password_hash = "{PASSWORD_HASH}"
home_directory = "/alice"
""")
    return file


def run(environment, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "ftps_server", *words]
    return subprocess.run(
        arguments, env=environment, input=stdin, capture_output=True, text=True, timeout=30, check=False
    )


def test_one_file_is_served_and_read_again(toml, environment, clients):
    words = [sys.executable, "-m", "ftps_server", "--config", str(toml)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as running:
        try:
            wait_for(lambda: _ready(clients), "readiness")
            client = clients.login()
            client.storbinary("STOR file", io.BytesIO(b"content"))
            toml.write_text(toml.read_text().replace('name = "alice"', 'name = "bob"'))
            wait_for(lambda: clients.metric('ftps_server_reloads_total{file="users",outcome="ok"}'), "the new user")
            clients.login("bob").quit()
            assert client.nlst() == ["file"]
            client.quit()
        finally:
            running.terminate()
            running.communicate(timeout=DEADLINE)


@pytest.mark.parametrize("kind", ["toml", "directory"])
def test_a_good_configuration_is_called_good(setup, toml, environment, kind):
    words = ["--config", str(toml)] if kind == "toml" else command(setup)[3:]
    done = run(environment, "--check", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the configuration is good" in done.stdout


def test_a_bad_file_is_named_in_one_sentence(toml, environment):
    toml.write_text(toml.read_text() + "max_sesions = 1")
    for words in (["--check", "--config", str(toml)], ["--config", str(toml)]):
        done = run(environment, *words)
        assert done.returncode == 2
        assert done.stderr == f"ftps-server: {toml}: users.0.max_sesions: Extra inputs are not permitted\n"


def test_a_check_reads_the_certificate(toml, setup, environment):
    sentence = break_key(setup)
    done = run(environment, "--check", "--config", str(toml))
    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_port_that_is_taken_is_told(toml, setup, environment):
    with socket.create_server(("0.0.0.0", setup.explicit)):
        done = run(environment, "--config", str(toml))
    assert done.returncode == 1
    assert "cannot listen" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--config", "file", "--passive-ports", "1-2"],
        ["--config", "file", "--dev"],
        ["--config", "file", "hash-password"],
    ],
)
def test_it_is_told_one_thing_to_do(environment, words):
    done = run(environment, *words)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_a_password_becomes_a_hash(environment):
    done = run(environment, "hash-password", stdin="correct horse\n")
    assert done.returncode == 0
    assert PasswordHasher().verify(done.stdout.rstrip("\n"), "correct horse")


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_no_password_becomes_no_hash(environment, stdin):
    done = run(environment, "hash-password", stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(("again", "code"), [("correct horse", 0), ("another", 2)])
def test_at_a_terminal_a_password_is_typed_twice(environment, again, code):
    main, terminal = pty.openpty()
    arguments = [sys.executable, "-m", "ftps_server", "hash-password"]
    with (
        os.fdopen(main, "r+b", buffering=0) as screen,
        subprocess.Popen(
            arguments, env=environment, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True
        ) as running,
    ):
        os.close(terminal)
        shown = b""
        for prompt, line in ((b"Password: ", "correct horse"), (b"Again: ", again)):
            while prompt not in shown:
                shown += screen.read(1024)
            screen.write(f"{line}\n".encode())
        output, _ = running.communicate(timeout=DEADLINE)
    assert running.returncode == code
    assert output.startswith(b"$argon2id$") == (code == 0)
    assert b"horse" not in shown


def _ready(clients) -> bool:
    try:
        return clients.get("readyz")[0] == 200
    except OSError:
        return False
