import socket

import pytest

from ftps_operator.settings import Settings, parse

IMAGE = ("--server-image", "ftps-server:1")


def test_the_image_is_all_that_is_needed():
    assert parse(IMAGE, {}) == Settings(server_image="ftps-server:1", identity=socket.gethostname())


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_default():
    environment = {"FTPS_OPERATOR_LOG_LEVEL": "debug", "FTPS_OPERATOR_WORKERS": "2", "FTPS_OPERATOR_SERVER_IMAGE": "s"}
    found = parse(["--workers", "9"], environment)
    assert (found.server_image, found.workers, found.log_level, found.health_port) == ("s", 9, "debug", 8080)


def test_namespaces_are_a_list():
    assert parse([*IMAGE, "--namespaces", "a, b,,a"], {}).namespaces == ("a", "b")
    assert parse([*IMAGE, "--namespaces", ""], {}).namespaces == ()


def test_the_kubeconfig_is_the_one_everybody_uses():
    assert parse(IMAGE, {"KUBECONFIG": "/a"}).kubeconfig == "/a"
    assert parse([*IMAGE, "--kubeconfig", "/b"], {"KUBECONFIG": "/a"}).kubeconfig == "/b"
    assert parse(IMAGE, {"KUBECONFIG": ""}).kubeconfig is None


@pytest.mark.parametrize(("text", "meant"), [("true", True), ("True", True), ("false", False), ("FALSE", False)])
def test_the_election_is_on_or_off_however_it_is_spelt(text: str, meant: bool):
    assert parse([*IMAGE, "--leader-election", text], {}).leader_election is meant


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--leader-election", "ture"),
        ("--leader-election", "0"),
        ("--log-level", "loud"),
        ("--log-format", "xml"),
        ("--workers", "0"),
        ("--workers", "many"),
        ("--workers", "-1"),
        ("--resync-seconds", "0"),
        ("--health-port", "65536"),
        ("--namespaces", "team-*"),
        ("--namespaces", "!team"),
        ("--namespaces", "Team"),
        ("--operator-class", "Canary"),
        ("--operator-class", "two words"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(flag: str, value: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        parse([*IMAGE, f"{flag}={value}"], {})
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert flag in said
    assert value.removeprefix("!") in said


def test_a_missing_image_is_told():
    with pytest.raises(SystemExit):
        parse([], {})


def test_operators_of_two_classes_do_not_share_a_lease():
    assert parse(IMAGE, {}).lease_name == "ftps-operator"
    of_class = parse([*IMAGE, "--operator-class", "canary"], {})
    assert (of_class.operator_class, of_class.lease_name) == ("canary", "ftps-operator-canary")
    assert parse([*IMAGE, "--operator-class", "canary", "--lease-name", "mine"], {}).lease_name == "mine"
