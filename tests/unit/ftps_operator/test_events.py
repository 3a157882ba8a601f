import asyncio
import datetime
import logging
from typing import Any

import pytest

from ftps_operator.errors import ConflictError, ForbiddenError, InvalidError, TransientError
from ftps_operator.events import EventRecorder
from ftps_operator.transitions import Transition

SERVER = {
    "apiVersion": "ftps-operator.io/v1alpha1",
    "kind": "FtpsServer",
    "metadata": {"namespace": "team", "name": "exchange", "uid": "u-1"},
}


class Api:
    def __init__(self, fault: Exception | None = None) -> None:
        self.created: list[dict[str, Any]] = []
        self._fault = fault

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if self._fault:
            raise self._fault
        self.created.append(manifest)
        return manifest


def emit(api: Api, message: str = "serves") -> None:
    now = datetime.datetime(2026, 5, 1, 12, 0, tzinfo=datetime.UTC)
    recorder = EventRecorder(api, instance="pod-1", now=lambda: now)  # type: ignore[arg-type]
    asyncio.run(recorder.emit(SERVER, Transition("Normal", "Ready", message)))


def test_an_event_is_about_the_server():
    api = Api()
    emit(api)
    event = api.created[0]
    assert event["metadata"]["namespace"] == "team"
    assert event["regarding"] == {
        "apiVersion": "ftps-operator.io/v1alpha1",
        "kind": "FtpsServer",
        "namespace": "team",
        "name": "exchange",
        "uid": "u-1",
    }
    assert (event["type"], event["reason"], event["note"]) == ("Normal", "Ready", "serves")
    assert event["reportingController"] == "ftps-operator"
    assert event["reportingInstance"] == "pod-1"
    assert event["eventTime"] == "2026-05-01T12:00:00.000000Z"


def test_no_two_events_have_the_same_name():
    api = Api()
    emit(api)
    emit(api)
    assert len({event["metadata"]["name"] for event in api.created}) == 2


@pytest.mark.parametrize("message", ["x" * 2000, "ü" * 2000, "x" + "ü" * 2000])
def test_a_long_message_is_cut_to_the_bytes_that_the_api_server_takes(message: str):
    api = Api()
    emit(api, message)
    note = api.created[0]["note"]
    assert 1020 <= len(note.encode()) <= 1024
    assert note.endswith("…")


@pytest.mark.parametrize("error", [TransientError("busy"), InvalidError("no"), ForbiddenError("no")])
def test_an_event_that_cannot_be_written_is_no_reason_to_fail(error: Exception, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    emit(Api(error))
    assert "an Event could not be written" in caplog.text


def test_a_namespace_that_is_about_to_go_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    emit(Api(ConflictError("being terminated")))
    assert caplog.text == ""
