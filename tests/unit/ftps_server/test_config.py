"""The schema of the files: what is told of bad ones."""

import pytest

from ftps_server.config import AddressConfig, ConfigError, PassivePorts, ServerConfig, UsersConfig, read
from unit.ftps_server.harness import user


def problem(tmp_path, model, text):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(model, path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_an_empty_object_is_a_whole_configuration(tmp_path):
    (tmp_path / "file").write_text("{}")
    settings = read(ServerConfig, tmp_path / "file")
    assert (settings.explicit.port, settings.implicit.port, settings.admin_port) == (2121, 9990, 8080)


@pytest.mark.parametrize(
    ("model", "text", "sentence"),
    [
        (ServerConfig, '{"explicit": {"port": 0}}', "explicit.port: Input should be greater than or equal to 1"),
        (ServerConfig, '{"typo": 1}', "typo: Extra inputs are not permitted"),
        (AddressConfig, '{"default": {}}', "default: Value error, address, environment, local: exactly one"),
        (AddressConfig, "[]", "(whole file): Input should be an object"),
        (UsersConfig, '{"users": [{"name": "x", "passwordHash": "p"}]}', "users.0.passwordHash: Value error, must be"),
    ],
)
def test_a_bad_field_is_named_by_its_path(tmp_path, model, text, sentence):
    assert problem(tmp_path, model, text).startswith(sentence)


def test_a_server_must_listen_somewhere(tmp_path):
    text = '{"explicit": {"port": 1, "enabled": false}, "implicit": {"port": 2, "enabled": false}}'
    assert "at least one must be enabled" in problem(tmp_path, ServerConfig, text)


def test_a_name_stands_once():
    with pytest.raises(ValueError, match="the name 'alice' stands twice"):
        UsersConfig.model_validate({"users": [user("alice"), user("alice")]})


@pytest.mark.parametrize("path", ["relative", "/a/../../b", "/nul\0"])
def test_homes_are_absolute_and_stay_inside(path):
    with pytest.raises(ValueError, match="must be an absolute path"):
        UsersConfig.model_validate({"users": [user(homeDirectory=path)]})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="file.json: No such file or directory"):
        read(ServerConfig, tmp_path / "file.json")


def test_a_range_of_ports_is_read_and_written():
    ports = PassivePorts.parse("50000-50019")
    assert (ports.first, ports.last, str(ports)) == (50000, 50019, "50000-50019")


@pytest.mark.parametrize("text", ["", "50000", "a-b", "50001-50000", "0-5", "1-70000", "-1-5"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ConfigError, match="passive ports"):
        PassivePorts.parse(text)
