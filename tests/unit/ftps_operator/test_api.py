"""What the real API server answers is tested on the cluster; here are the faults that it does not make on demand."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from kubernetes.aio import client, config
from prometheus_client import generate_latest

from ftps_operator import api
from ftps_operator.api import KubernetesApi
from ftps_operator.errors import (
    ApiError,
    Cause,
    ConflictError,
    DeniedError,
    ForbiddenError,
    InvalidError,
    KindNotServedError,
    TransientError,
)
from ftps_operator.kinds import CONFIG_MAP, FTPS_SERVER, POD, SECRET
from ftps_operator.metrics import Metrics
from ftps_operator.naming import Manifest
from support.prometheus import Scrape

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "team", "name": "config"}}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "RETRY_PAUSES", (0.0, 0.0))


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ask(answer: Answer, question: Callable[[KubernetesApi], Awaitable[Any]]) -> Any:
    """Put a question to a server that answers like this."""

    async def run() -> Any:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        configuration = client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
        kubernetes = KubernetesApi(client.ApiClient(configuration))
        try:
            return await question(kubernetes)
        finally:
            await kubernetes.close()
            await runner.cleanup()

    return asyncio.run(run())


def answering(status: int, body: dict[str, Any] | str = "", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def failure(status: int, message: str = "", **details: Any) -> Answer:
    return answering(status, {"kind": "Status", "message": message, "details": details, "code": status})


async def listed(pages: AsyncIterator[list[Manifest]]) -> list[Manifest]:
    return [item async for page in pages for item in page]


def get(kubernetes: KubernetesApi) -> Awaitable[Any]:
    return kubernetes.get(CONFIG_MAP, "team", "config")


def apply(kubernetes: KubernetesApi) -> Awaitable[Any]:
    return kubernetes.apply(MANIFEST)


def in_turn(*answers: Answer) -> tuple[Answer, list[str]]:
    """One answer after the other, and what was asked."""
    following, asked = iter(answers), []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        return await next(following)(request)

    return answer, asked


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("question", [get, apply])
def test_one_bad_answer_in_three_holds_nothing_up(status: int, question: Callable[[KubernetesApi], Awaitable[Any]]):
    answer, asked = in_turn(failure(status), failure(status), answering(200, MANIFEST))
    assert ask(answer, question) == MANIFEST
    assert len(asked) == 3


def test_what_goes_on_failing_is_left_to_the_queue():
    answer, asked = in_turn(*[failure(500)] * 5)
    with pytest.raises(TransientError):
        ask(answer, get)
    assert len(asked) == 3


@pytest.mark.parametrize("answer", [failure(409), failure(410), failure(403), failure(422)])
def test_what_another_try_does_not_change_is_not_tried(answer: Answer):
    counted, asked = in_turn(answer, answer)
    with pytest.raises(ApiError):
        ask(counted, get)
    assert len(asked) == 1


def test_a_server_that_wants_to_be_left_alone_is_left_alone():
    counted, asked = in_turn(answering(429, {}, Retry_After="30"))
    with pytest.raises(TransientError) as raised:
        ask(counted, get)
    assert (raised.value.retry_after, asked) == (30, ["GET"])


def test_who_may_not_write_any_more_reads_and_asks_for_the_lease_only():
    sent: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(request.method)
        return web.json_response({"metadata": {}})

    async def question(kubernetes: KubernetesApi) -> None:
        kubernetes.may_write = lambda: False
        for write in (apply(kubernetes), kubernetes.delete(CONFIG_MAP, "team", "config", uid="u")):
            with pytest.raises(TransientError, match="another operator may lead"):
                await write
        assert sent == []
        await get(kubernetes)
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        await kubernetes.replace(lease | {"metadata": {"namespace": "system", "name": "operator"}})

    ask(answer, question)
    assert sent == ["GET", "PUT"]


@pytest.mark.parametrize("status", [401, 408, 410, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again_later(status: int):
    with pytest.raises(TransientError) as caught:
        ask(answering(status, "trouble"), get)
    assert not isinstance(caught.value, ConflictError)


@pytest.mark.parametrize("status", [429, 503])
def test_it_is_remembered_when_the_server_wants_to_be_asked_again(status: int):
    with pytest.raises(TransientError) as caught:
        ask(answering(status, Retry_After="7"), get)
    assert caught.value.retry_after == 7.0


def test_a_date_to_ask_again_is_passed_over():
    with pytest.raises(TransientError) as caught:
        ask(answering(503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), get)
    assert caught.value.retry_after is None


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api, "TIMEOUT_SECONDS", 0.05)

    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(TransientError, match="GET /api/v1/namespaces/team/configmaps/config: TimeoutError"):
        ask(hang, get)


def test_an_answer_that_breaks_off_is_no_answer():
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"metadata":')
        assert request.transport is not None
        request.transport.abort()
        return response

    with pytest.raises(TransientError):
        ask(break_off, get)


def test_an_answer_that_is_no_json_is_no_answer():
    with pytest.raises(TransientError, match="the answer is no JSON"):
        ask(answering(200, "<html>a proxy says hello</html>"), get)


def test_an_unreachable_server_may_come_back():
    async def run() -> None:
        kubernetes = KubernetesApi(client.ApiClient(client.Configuration(host="http://127.0.0.1:1")))
        try:
            await get(kubernetes)
        finally:
            await kubernetes.close()

    with pytest.raises(TransientError):
        asyncio.run(run())


@pytest.mark.parametrize("fault", [config.ConfigException("Token file exists but empty."), FileNotFoundError("token")])
def test_a_token_that_cannot_be_read_just_now_is_read_again_later(fault: Exception):
    def unreadable(_: client.Configuration) -> None:
        raise fault

    async def run() -> None:
        configuration = client.Configuration(host="http://127.0.0.1:1")
        configuration.api_key["BearerToken"] = "bearer old"
        configuration.refresh_api_key_hook = unreadable
        kubernetes = KubernetesApi(client.ApiClient(configuration))
        try:
            await get(kubernetes)
        finally:
            await kubernetes.close()

    with pytest.raises(TransientError, match=str(fault)):
        asyncio.run(run())


def test_what_is_not_there_reads_as_none():
    assert ask(failure(404, 'configmaps "config" not found', name="config"), get) is None


@pytest.mark.parametrize("answer", [answering(404, "404 page not found"), failure(404, "could not find the resource")])
def test_an_unknown_kind_is_told_from_a_missing_object(answer: Answer):
    with pytest.raises(KindNotServedError):
        ask(answer, get)


def test_writing_to_what_has_gone_is_a_conflict():
    with pytest.raises(ConflictError):
        ask(failure(404, 'namespaces "team" not found', name="team"), apply)


def test_a_namespace_that_is_going_is_no_missing_permission():
    causes = [{"reason": "NamespaceTerminating", "message": "being terminated"}]
    with pytest.raises(ConflictError):
        ask(failure(403, "forbidden: unable to create new content", name="config", causes=causes), apply)


def test_a_missing_permission_is_the_operators_own_trouble():
    said = 'configmaps "config" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "configmaps"'
    with pytest.raises(ForbiddenError, match="cannot patch"):
        ask(failure(403, said, name="config"), apply)


def test_a_quota_or_a_webhook_is_the_users_trouble():
    with pytest.raises(DeniedError, match="^configmaps .config. is forbidden: exceeded quota: small$"):
        ask(failure(403, 'configmaps "config" is forbidden: exceeded quota: small', name="config"), apply)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_manifest_comes_with_its_reasons(status: int):
    causes = [{"field": "spec.ports[0].port", "message": "must be from 1 to 65535"}]
    with pytest.raises(InvalidError, match="^Service is invalid$") as caught:
        ask(failure(status, "Service is invalid", causes=causes), apply)
    assert caught.value.causes == (Cause("spec.ports[0].port", "must be from 1 to 65535"),)


@pytest.mark.parametrize(
    "said",
    [
        "failed to create typed patch object (team/config; /v1, Kind=ConfigMap): .dat: field not declared in schema",
        "duplicate nodePort: {TCP 30621}",
    ],
)
def test_what_no_retry_can_mend_is_refused_whatever_the_status_says(said: str):
    with pytest.raises(InvalidError) as caught:
        ask(failure(500, said), apply)
    assert str(caught.value) == said


def test_somebody_elses_change_in_between_is_a_conflict():
    with pytest.raises(ConflictError):
        ask(failure(409, "the object has been modified"), lambda kubernetes: kubernetes.replace(MANIFEST))


def test_what_is_gone_or_made_anew_need_not_be_deleted():
    for status, details in ((404, {"name": "config"}), (409, {"name": "config"})):
        assert (
            ask(failure(status, "no", **details), lambda it: it.delete(CONFIG_MAP, "team", "config", uid="u")) is None
        )


def test_a_long_list_is_read_to_its_end():
    seen: list[dict[str, str]] = []

    async def pages(request: web.Request) -> web.Response:
        seen.append(dict(request.query))
        if "continue" in request.query:
            return web.json_response({"metadata": {}, "items": [{"metadata": {"name": "b"}}]})
        return web.json_response({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]})

    found = ask(pages, lambda kubernetes: listed(kubernetes.pages(POD, "team", label_selector="a=b")))
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]
    assert {(item["apiVersion"], item["kind"]) for item in found} == {("v1", "Pod")}
    assert [query.get("continue") for query in seen] == [None, "more"]
    assert {query["labelSelector"] for query in seen} == {"a=b"}


def test_an_empty_list_may_be_null():
    empty = answering(200, {"metadata": {}, "items": None})
    assert ask(empty, lambda kubernetes: listed(kubernetes.pages(FTPS_SERVER, None))) == []


def test_a_version_is_asked_for_without_the_content_and_of_the_servers_memory():
    async def check(request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
        assert dict(request.query) == {"resourceVersion": "0"}
        return web.json_response({"metadata": {"resourceVersion": "7"}})

    assert ask(check, lambda kubernetes: kubernetes.version(SECRET, "team", "tls")) == "7"
    gone = failure(404, "not found", name="tls")
    assert ask(gone, lambda kubernetes: kubernetes.version(SECRET, "team", "tls")) is None


def test_every_request_is_counted_by_how_it_ended():
    metrics = Metrics()

    async def both(kubernetes: KubernetesApi) -> None:
        kubernetes._metrics = metrics
        await kubernetes.get(CONFIG_MAP, "team", "config")
        await kubernetes.apply(MANIFEST)

    async def answer(request: web.Request) -> web.Response:
        if request.method == "PATCH":
            return web.json_response(MANIFEST)
        return web.json_response({"details": {"name": "config"}}, status=404)

    ask(answer, both)
    found = Scrape(generate_latest(metrics.registry).decode())
    assert found.sum("rest_client_requests_total", method="GET", code="404") == 1
    assert found.sum("rest_client_requests_total", method="PATCH", code="200") == 1
    assert found.sum("rest_client_requests_total") == 2


def test_apply_is_a_server_side_apply_that_wins_and_passes_over_no_unknown_field():
    async def check(request: web.Request) -> web.Response:
        assert request.content_type == "application/apply-patch+yaml"
        assert dict(request.query) == {"fieldManager": "ftps-operator", "force": "true", "fieldValidation": "Strict"}
        return web.json_response(await request.json())

    assert ask(check, apply) == MANIFEST


def test_annotating_what_is_gone_is_done():
    gone = failure(404, "not found", name="config")
    assert ask(gone, lambda kubernetes: kubernetes.annotate(CONFIG_MAP, "team", "config", {"a": "b"})) is None


def test_each_request_says_who_asks_and_which_fields_are_ours():
    seen: list[web.Request] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response(MANIFEST)

    async def all_of_them(kubernetes: KubernetesApi) -> None:
        await kubernetes.get(CONFIG_MAP, "team", "config")
        await kubernetes.apply(MANIFEST)
        await kubernetes.apply_status(MANIFEST)
        await kubernetes.annotate(CONFIG_MAP, "team", "config", {"a": "b"})
        await kubernetes.create(MANIFEST)
        await kubernetes.replace(MANIFEST)

    ask(note, all_of_them)
    path = "/api/v1/namespaces/team/configmaps"
    assert [(request.method, request.path, request.query.get("fieldManager")) for request in seen] == [
        ("GET", f"{path}/config", None),
        ("PATCH", f"{path}/config", "ftps-operator"),
        ("PATCH", f"{path}/config/status", "ftps-operator-status"),
        ("PATCH", f"{path}/config", "ftps-operator"),
        ("POST", path, "ftps-operator"),
        ("PUT", f"{path}/config", "ftps-operator"),
    ]
    assert {request.headers["User-Agent"] for request in seen} == {"ftps-operator"}


def test_no_body_is_told_in_an_error():
    secret = MANIFEST | {"data": {"password": "hunter2"}}
    with pytest.raises(ApiError) as caught:
        ask(failure(500, "trouble"), lambda kubernetes: kubernetes.apply(secret))
    assert "hunter2" not in str(caught.value)


def test_a_dry_run_is_asked_for_as_one():
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.json_response({})

    ask(answer, lambda kubernetes: kubernetes.apply(MANIFEST, dry_run=True))
    ask(answer, lambda kubernetes: kubernetes.apply(MANIFEST))
    assert [query.get("dryRun") for query in asked] == ["All", None]


@pytest.mark.parametrize("name", ["../../others/secrets/x", "x/../y", "x?a", "x#y"])
def test_a_name_leads_nowhere_else(name: str):
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.json_response({})

    ask(answer, lambda kubernetes: kubernetes.get(CONFIG_MAP, "team", name))
    assert asked == [f"/api/v1/namespaces/team/configmaps/{quote(name, safe='')}"]
