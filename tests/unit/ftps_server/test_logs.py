"""Logs: one JSON object a line."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import ftps_server
from ftps_server.logs import JsonFormatter


def formatted(message, *, name="ftps_server", exc_info=None, **details):
    record = logging.LogRecord(name, logging.WARNING, "file", 1, message, (), exc_info)
    record.details = details
    line = JsonFormatter().format(record)
    assert "\n" not in line
    return json.loads(line)


def test_an_event_is_one_line_with_its_details():
    line = formatted("login failed", attempted="äé\n\u2028", session=7)
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "warning", "event": "login failed", "attempted": "äé\n\u2028", "session": 7}


def test_other_loggers_are_named():
    assert formatted("trouble", name="pyftpdlib")["logger"] == "pyftpdlib"


def test_an_exception_stays_on_the_line():
    try:
        int("bad")
    except ValueError as error:
        line = formatted("call failed", exc_info=(type(error), error, error.__traceback__))
    assert line["exception"].endswith("base 10: 'bad'")


def test_what_is_no_utf_8_is_logged_as_an_escape():
    script = "from ftps_server import logs; logs.configure(); logs.event('transfer', path='/\\udcff')"
    environment = os.environ | {"PYTHONPATH": str(Path(ftps_server.__file__).parents[1]), "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    assert json.loads(done.stdout)["path"] == "/\udcff"
