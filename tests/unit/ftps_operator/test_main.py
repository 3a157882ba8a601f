import sys
from pathlib import Path

import pytest
import yaml

from ftps_operator.__main__ import main


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ftps-operator", *words])
    return main()


def test_the_crds_are_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    assert call(monkeypatch, "crds") == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [crd["spec"]["names"]["kind"] for crd in printed] == ["FtpsServer", "FtpsUser"]


def test_the_crds_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert call(monkeypatch, "crds", "--write", str(tmp_path / "crds")) == 0
    assert sorted(path.name for path in (tmp_path / "crds").iterdir()) == ["ftpsservers.yaml", "ftpsusers.yaml"]


def test_it_knows_its_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, "--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("words", [(), ("walk",), ("run",)])
def test_what_it_cannot_do_it_refuses(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("FTPS_OPERATOR_SERVER_IMAGE", raising=False)
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, *words)
    assert ended.value.code == 2
