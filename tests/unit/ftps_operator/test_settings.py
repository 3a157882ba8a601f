import pytest

from ftps_operator.settings import parse


def test_a_flag_wins_over_its_variable():
    environment = {"FTPS_OPERATOR_SERVER_IMAGE": "from-variable", "FTPS_OPERATOR_NAMESPACES": "a, b"}
    assert parse([], environment).server_image == "from-variable"
    assert parse(["--server-image", "from-flag"], environment).server_image == "from-flag"
    assert parse([], environment).namespaces == ("a", "b")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--server-image"),
        (["--server-image", "x", "--log-level", "loud"], "--log-level"),
        (["--server-image", "x", "--workers", "many"], "many"),
    ],
)
def test_a_bad_setting_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        parse(words, {})
    assert said in capsys.readouterr().err
