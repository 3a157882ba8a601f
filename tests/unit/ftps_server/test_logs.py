"""Logs: one JSON object a line."""

import json
import logging

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
