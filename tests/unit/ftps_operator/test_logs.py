import asyncio
import json
import logging
import sys
import warnings
from collections.abc import Iterator

import pytest

from ftps_operator import logs
from ftps_operator.workqueue import Key


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_record_is_one_json_object_on_one_line(capsys: pytest.CaptureFixture[str]):
    logs.configure("info")
    with logs.about(Key("team", "exchange")):
        logs.of_generation(3)
        logging.getLogger("ftps_operator.reconcile").info("wrote\n%s", "it")
    line = lines(capsys)[0]
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "ftps_operator.reconcile",
        "message": "wrote\nit",
        "namespace": "team",
        "name": "exchange",
        "generation": 3,
    }


def test_what_is_not_about_a_server_names_none(capsys: pytest.CaptureFixture[str]):
    logs.configure("info")
    with logs.about(Key("team", "exchange")):
        logs.of_generation(3)
    logging.getLogger("x").info("watching")
    assert set(lines(capsys)[0]) == {"time", "level", "logger", "message"}


def test_two_reconciles_side_by_side_do_not_mix_their_names(capsys: pytest.CaptureFixture[str]):
    logs.configure("info")

    async def reconcile(name: str) -> None:
        with logs.about(Key("team", name)):
            await asyncio.sleep(0)
            logging.getLogger("x").info(name)

    async def both() -> None:
        await asyncio.gather(reconcile("a"), reconcile("b"))

    asyncio.run(both())
    assert [(line["message"], line["name"]) for line in lines(capsys)] == [("a", "a"), ("b", "b")]


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]):
    logs.configure("info", "text")
    with logs.about(Key("team", "exchange")):
        try:
            _ = {}["missing"]  # type: ignore[var-annotated]
        except KeyError:
            logging.getLogger("x").exception("failed")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.endswith("ERROR    x: failed namespace=team name=exchange")
    assert rest[-1] == "KeyError: 'missing'"


def test_a_traceback_stays_in_its_line(capsys: pytest.CaptureFixture[str]):
    logs.configure("info")
    try:
        _ = {}["missing"]  # type: ignore[var-annotated]
    except KeyError:
        logging.getLogger("x").exception("failed")
    line = lines(capsys)[0]
    assert line["level"] == "error"
    assert "KeyError: 'missing'" in line["exception"]


def test_kopf_and_its_connections_are_quiet(capsys: pytest.CaptureFixture[str]):
    logs.configure("debug")
    logging.getLogger("kopf.objects").info("saw an object")
    logging.getLogger("aiohttp.access").info("GET /livez")
    logging.getLogger("ftps_operator").debug("heard")
    assert [line["message"] for line in lines(capsys)] == ["heard"]


def test_warnings_are_logged_too(capsys: pytest.CaptureFixture[str]):
    logs.configure("info")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    found = lines(capsys)
    assert found[0]["logger"] == "py.warnings"
    assert sys.stderr is not None
