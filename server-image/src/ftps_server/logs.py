"""Logs: one event a line, as JSON, on standard output. What is secret is never handed to a logger."""

import datetime
import io
import json
import logging
import sys

logger = logging.getLogger("ftps_server")

_encode = json.JSONEncoder(ensure_ascii=False).encode


class JsonFormatter(logging.Formatter):
    """An event's name is the message, its details are the record's `details`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "details", {})
        if record.name != logger.name:
            line["logger"] = record.name
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)


def configure() -> None:
    """Send every logger's records to standard output."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file's name need not be valid UTF-8: what is not becomes an escape of JSON's.
        sys.stdout.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # What no line tells need not be found out (docs.python.org/3/howto/logging.html#optimization).
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # pyftpdlib tells of each command and each answer; what matters of them are events of ours.
    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)


def event(name: str, /, **details: object) -> None:
    """Log one event."""
    logger.info(name, extra={"details": details})


def warn(name: str, /, **details: object) -> None:
    """Log one event that somebody should look at."""
    logger.warning(name, extra={"details": details})
