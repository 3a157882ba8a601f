"""One TOML file as a source of the configuration, the example of one, and the page about it."""

from pathlib import Path

import pytest

from ftps_server.config import ConfigError, ServerConfig
from ftps_server.standalone import TomlSources, hash_password
from support import settings
from unit.ftps_server.harness import PASSWORD_HASH

DOCS = Path(__file__).parents[3] / "docs"
LEAST = """
storage_directory = "."
[tls]
certificate = "tls.crt"
private_key = "/etc/ssl/tls.key"
"""
ALICE = f"""
[[users]]
name = "alice"
password_hash = "{PASSWORD_HASH}"
home_directory = "/alice"
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ftps-server.toml"
    path.write_text(LEAST)
    return path


def problem(file, text):
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        TomlSources(file)
    return str(caught.value).removeprefix(f"{file}: ")


def test_what_is_not_said_is_as_the_server_has_it(file):
    sources = TomlSources(file)
    server = sources.server()
    assert (server.explicit.port, server.implicit.port, server.admin_port) == (21, 990, 8080)
    assert server.limits == ServerConfig().limits
    assert str(sources.passive_ports) == "50000-50019"
    assert sources.users().users == ()


def test_paths_are_relative_to_the_folder_of_the_file(file, tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/hook").write_bytes(b"key")
    file.write_text(
        LEAST + '[hooks]\nurl = "https://example.com/"\nqueue_directory = "queue"\nkey_file = "keys/hook"\n'
    )
    sources = TomlSources(file)
    assert sources.files.certificate == tmp_path / "tls.crt"
    assert sources.files.private_key == Path("/etc/ssl/tls.key")
    assert sources.files.hook_key == tmp_path / "keys/hook"
    hooks = sources.server().hooks
    assert hooks is not None
    assert hooks.queue_directory == str(tmp_path / "queue")


def test_pasv_announces_what_the_client_connected_to(file):
    default = TomlSources(file).addresses().default
    assert default is not None
    assert default.local


def test_pasv_announces_what_the_file_says(file):
    passive = '[passive]\naddress = "ftps.example.com"\n'
    override = '[[passive.address_overrides]]\ncidrs = ["10.0.0.0/8"]\naddress = "10.0.0.1"\n'
    file.write_text(LEAST + passive + override)
    addresses = TomlSources(file).addresses()
    assert addresses.default is not None
    assert (addresses.default.address, addresses.default.local) == ("ftps.example.com", False)
    assert addresses.overrides[0].address == "10.0.0.1"


def test_each_call_reads_anew(file):
    sources = TomlSources(file)
    file.write_text(LEAST + "[limits]\nmax_sessions = 7\n" + ALICE)
    assert sources.server().limits.max_sessions == 7
    assert [user.name for user in sources.users().users] == ["alice"]


def test_a_bad_part_spoils_the_whole_file(file):
    sources = TomlSources(file)
    file.write_text(LEAST + "[limits]\nmax_sessions = 0\n" + ALICE)
    with pytest.raises(ConfigError, match="limits.max_sessions"):
        sources.users()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "tls: Field required"),
        ("[tls]\nprivate_key = 'k'", "tls.certificate: Field required"),
        ("[tls]\ncertificate = 'c'", "tls.private_key: Field required"),
        (LEAST + "[limits]\nmax_sesions = 1", "limits.max_sesions: Extra inputs are not permitted"),
        (LEAST + "[limits]\nmaxSessions = 1", "limits.maxSessions: Extra inputs are not permitted"),
        (LEAST + "[passive]\nlast_port = 49999", "passive: Value error, first_port, last_port: the first port must"),
        (LEAST + "[[users]]\nname = 'x'", "users.0.home_directory: Field required"),
        (LEAST + ALICE + ALICE, "(whole file): Value error, users: the name 'alice' stands twice"),
        (LEAST + ALICE.replace(PASSWORD_HASH, "secret"), "users.0.password_hash: Value error, must be an argon2id"),
        ("storage_directory = '/nowhere'\n[tls]\ncertificate = 'c'\nprivate_key = 'k'", "storage_directory: not a"),
        (LEAST + "client_crl = 'gone.crl'", "tls.client_crl: not a file"),
        (LEAST + "[hooks]\nurl = 'http://x/'\nqueue_directory = 'q'\nkey_file = 'k'", "hooks.key_file: not a file"),
        ("[tls", "not TOML: Expected ']'"),
    ],
)
def test_what_is_bad_is_named_by_its_path(file, text, sentence):
    told = problem(file, text)
    assert told.startswith(sentence)
    assert "secret" not in told


def test_what_is_no_text_is_no_toml(file):
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not TOML"):
        TomlSources(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="gone.toml: No such file or directory"):
        TomlSources(tmp_path / "gone.toml")


def test_the_example_is_good(file, tmp_path):
    example = (DOCS / "examples/ftps-server.toml").read_text(encoding="utf-8")
    file.write_text(example.replace("/var/lib/ftps-server", str(tmp_path)), encoding="utf-8")
    sources = TomlSources(file)
    assert sources.server().limits.ban is not None
    assert [user.name for user in sources.users().users] == ["alice", "bob"]
    assert sources.addresses().overrides


def test_the_page_tells_every_setting_as_it_is():
    page = settings.PAGE.read_text(encoding="utf-8")
    assert settings.renewed(page) == page, "make it anew: python -m support.settings"


def test_a_hash_is_one_that_users_may_have(file):
    file.write_text(LEAST + ALICE.replace(PASSWORD_HASH, hash_password("correct horse")))
    assert TomlSources(file).users().users
