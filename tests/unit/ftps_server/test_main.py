"""The first steps: SIGTERM counts before the rest is imported."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from ftps_server.__main__ import SIGNALS, main


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_process_before_it_serves(monkeypatch, number: signal.Signals):
    rest = ModuleType("ftps_server.cli")
    rest.run = lambda _: os.kill(os.getpid(), number)
    monkeypatch.setitem(sys.modules, "ftps_server.cli", rest)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0


def test_nothing_else_is_imported_before_signals_count():
    code = "import sys, ftps_server.__main__; print(sorted(name for name in sys.modules if 'ftps_server' in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['ftps_server', 'ftps_server.__main__']\n"
