import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyftpdlib_suite import suite


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "xdist_group(name): the suite's own")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ended = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
    ran = sum("/pyftpdlib_suite/test_functional" in report.nodeid for report in ended)
    if ran:
        terminalreporter.write_line(
            f"pyftpdlib's functional tests: {ran} ran, {len(suite.left_out)} left out; "
            "tests/pyftpdlib_suite/left_out.py says which and why"
        )


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tests make files in the working directory, and expect them in the user's home."""
    home = tmp_path / "storage" / "user"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    monkeypatch.setattr(suite.load("test_functional"), "HOME", str(home))
    return home


@pytest.fixture(autouse=True)
def no_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, the server has foreseen it."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []
