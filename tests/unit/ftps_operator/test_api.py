"""How the API server's answers are told apart. Its behaviour is tested on a real one."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio import client

from ftps_operator.api import KubernetesApi
from ftps_operator.errors import ConflictError, ForbiddenError, InvalidError, KindNotServedError, TransientError
from ftps_operator.kinds import CERTIFICATE, POD, SERVICE

Answer = Callable[[web.Request], web.Response]


def status(code: int, **fields: Any) -> web.Response:
    return web.json_response({"kind": "Status", "message": "said so"} | fields, status=code)


def ask(answer: Answer, question: Callable[[KubernetesApi], Coroutine[Any, Any, Any]]) -> Any:
    """Put one question to a server that gives one answer."""

    async def main() -> Any:
        async def handle(request: web.Request) -> web.Response:
            return answer(request)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        api = KubernetesApi(client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{port}")))
        try:
            return await question(api)
        finally:
            await api.close()
            await runner.cleanup()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, InvalidError),
        (403, ForbiddenError),
        (409, ConflictError),
        (422, InvalidError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
    ],
)
def test_each_refusal_is_an_error_of_its_kind(code: int, error: type[Exception]):
    with pytest.raises(error, match="said so"):
        ask(lambda _: status(code), lambda api: api.get(SERVICE, "files", "x"))


def test_an_object_that_is_not_there_is_none():
    missing = lambda _: status(404, details={"name": "x"})  # noqa: E731
    assert ask(missing, lambda api: api.get(SERVICE, "files", "x")) is None


def test_a_kind_that_is_not_there_is_told_apart():
    with pytest.raises(KindNotServedError):
        ask(
            lambda _: web.Response(text="404 page not found\n", status=404),
            lambda api: api.get(CERTIFICATE, "files", "x"),
        )


def test_a_server_that_hangs_up_is_transient():
    def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    with pytest.raises(TransientError):
        ask(hang_up, lambda api: api.get(SERVICE, "files", "x"))


def test_a_long_list_is_read_page_by_page():
    def pages(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/namespaces/files/pods"
        assert request.query["labelSelector"] == "a=b"
        if "continue" not in request.query:
            return web.json_response({"metadata": {"continue": "more"}, "items": [{"n": 1}]})
        return web.json_response({"metadata": {}, "items": [{"n": 2}]})

    found = ask(pages, lambda api: api.list(POD, "files", label_selector="a=b"))
    assert [(item["kind"], item["n"]) for item in found] == [("Pod", 1), ("Pod", 2)]


def test_apply_is_a_server_side_apply_that_wins():
    def check(request: web.Request) -> web.Response:
        assert request.method == "PATCH"
        assert request.content_type == "application/apply-patch+yaml"
        assert dict(request.query) == {"fieldManager": "ftps-operator", "force": "true", "fieldValidation": "Strict"}
        return web.json_response({"ok": True})

    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "files"}}
    assert ask(check, lambda api: api.apply(manifest)) == {"ok": True}


def test_annotating_or_deleting_what_is_gone_is_done():
    gone = lambda _: status(404, details={"name": "x"})  # noqa: E731
    assert ask(gone, lambda api: api.annotate(POD, "files", "x", {"a": "b"})) is None
    assert ask(gone, lambda api: api.delete(POD, "files", "x", uid="u")) is None
