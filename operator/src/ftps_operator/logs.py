"""Logs: a record a line, as JSON or as text, on standard output."""

import datetime
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Subject = dict[str, str | int]

_subject: ContextVar[Subject] = ContextVar("subject", default={})  # noqa: B039 - never changed, only replaced


@contextmanager
def about(key: object) -> Iterator[None]:
    """Have every record of a reconcile name its server. `key` has a namespace and a name, or names nothing."""
    token = _subject.set({field: getattr(key, field) for field in ("namespace", "name") if hasattr(key, field)})
    try:
        yield
    finally:
        _subject.reset(token)


def of_generation(generation: int) -> None:
    """Have the records that follow, until the end of `about`, tell the generation, too."""
    _subject.set(_subject.get() | {"generation": generation})


class JsonFormatter(logging.Formatter):
    """An object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | _subject.get()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """For people. A traceback takes more lines."""

    def format(self, record: logging.LogRecord) -> str:
        subject = "".join(f" {field}={value}" for field, value in _subject.get().items())
        line = f"{_time(record)} {record.levelname:<8} {record.name}: {record.getMessage()}{subject}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


FORMATTERS = {"json": JsonFormatter, "text": TextFormatter}


def configure(level: str, style: str = "json") -> None:
    """Send every logger's records to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(FORMATTERS[style]())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # kopf tells of every object it sees, and of every watch it opens.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _time(record: logging.LogRecord) -> str:
    return datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
