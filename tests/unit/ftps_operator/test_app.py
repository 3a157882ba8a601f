import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ftps_operator import app
from ftps_operator.app import RELIST_SECONDS, _first, _run_all, restart_for_certificates, resync
from ftps_operator.errors import ForbiddenError, KindNotServedError, TransientError
from ftps_operator.leader import LeadershipLostError
from ftps_operator.settings import Settings
from ftps_operator.workqueue import Key

EVERYWHERE = Settings(server_image="s")
SOME = Settings(server_image="s", namespaces=("a", "b"))


class Api:
    """Answers one after the other; what is an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)

    async def list(self, *_: object) -> Any:
        return self._next()

    async def get(self, *_: object) -> Any:
        return self._next()

    def _next(self) -> Any:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def servers(namespace: str, *names: str) -> list[dict[str, Any]]:
    return [{"metadata": {"namespace": namespace, "name": name}} for name in names]


def sleeping(pauses: list[float], times: int) -> Callable[[float], Awaitable[None]]:
    """Notes the pauses, and ends after some of them."""

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == times:
            raise asyncio.CancelledError

    return sleep


def run_resync(settings: Settings, api: Api, *, rounds: int) -> tuple[list[Key], list[float], int]:
    added: list[Key] = []
    pauses: list[float] = []
    listed: list[None] = []
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(
            resync(
                settings,
                api,  # type: ignore[arg-type]
                added.append,
                on_listed=lambda: listed.append(None),
                sleep=sleeping(pauses, rounds),
                jitter=lambda: 0.5,
            )
        )
    return added, pauses, len(listed)


def test_every_server_is_looked_at_at_the_start_and_every_ten_minutes():
    added, pauses, listed = run_resync(EVERYWHERE, Api(servers("a", "x"), servers("a", "x", "y")), rounds=2)
    assert added == [Key("a", "x"), Key("a", "x"), Key("a", "y")]
    assert pauses == [600, 600]
    assert listed == 2


def test_a_list_that_fails_is_tried_again_soon_and_the_operator_is_not_ready_before(caplog: pytest.LogCaptureFixture):
    answers = (TransientError("busy"), KindNotServedError("no CRD"), servers("a", "x"))
    added, pauses, listed = run_resync(EVERYWHERE, Api(*answers), rounds=3)
    assert added == [Key("a", "x")]
    assert pauses == [RELIST_SECONDS, RELIST_SECONDS, 600]
    assert listed == 1
    assert "the servers of the cluster cannot be listed: busy" in caplog.text


def test_one_namespace_that_cannot_be_listed_does_not_hide_the_others():
    added, pauses, listed = run_resync(SOME, Api(ForbiddenError("no"), servers("b", "x")), rounds=1)
    assert added == [Key("b", "x")]
    assert pauses == [RELIST_SECONDS]
    assert listed == 1


def wait_for_certificates(settings: Settings, *answers: Any) -> tuple[bool, list[float]]:
    pauses: list[float] = []

    async def run() -> bool:
        stop = asyncio.Event()

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        waiting = asyncio.create_task(restart_for_certificates(settings, Api(*answers), stop, sleep=sleep))  # type: ignore[arg-type]
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        return stop.is_set()

    return asyncio.run(run()), pauses


def test_a_cert_manager_that_comes_later_is_found_where_kopf_cannot():
    missing = KindNotServedError("no CRD")
    assert wait_for_certificates(SOME, missing, missing, TransientError("busy"), None) == (True, [30, 30, 30])


@pytest.mark.parametrize("answers", [(None,), (TransientError("busy"), None)])
def test_nothing_starts_anew_where_cert_manager_was_there_before(answers: tuple[Any, ...]):
    assert wait_for_certificates(SOME, *answers)[0] is False


def test_nothing_starts_anew_where_kopf_watches_the_crds():
    assert wait_for_certificates(EVERYWHERE) == (False, [])


async def endless() -> None:
    await asyncio.Event().wait()


def test_the_signal_ends_everything_in_peace():
    ended: list[str] = []

    async def part() -> None:
        try:
            await endless()
        finally:
            ended.append("part")

    async def run() -> int:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_soon(stop.set)
        return await _run_all([part(), endless()], stop)

    assert asyncio.run(run()) == 0
    assert ended == ["part"]


@pytest.mark.parametrize("error", [ValueError("broken"), None])
def test_a_part_that_ends_takes_the_process_with_it(error: Exception | None, caplog: pytest.LogCaptureFixture):
    async def part() -> None:
        if error:
            raise error

    async def run() -> int:
        return await _run_all([part(), endless()], asyncio.Event())

    assert asyncio.run(run()) == 1
    assert "a part has ended" in caplog.text


def test_a_lost_lease_ends_the_process_before_anything_else_can_be_written(monkeypatch: pytest.MonkeyPatch):
    class ExitError(Exception):
        pass

    def leave(code: int) -> None:
        raise ExitError(code)

    monkeypatch.setattr(os, "_exit", leave)

    async def lose() -> None:
        raise LeadershipLostError("gone")

    async def run() -> int:
        return await _run_all([lose(), endless()], asyncio.Event())

    with pytest.raises(ExitError) as ended:
        asyncio.run(run())
    assert ended.value.args == (1,)


def test_a_standby_can_be_stopped():
    async def run() -> bool:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_soon(stop.set)
        return await _first(endless(), stop)

    assert asyncio.run(run()) is False


def test_what_is_waited_for_wins_over_no_signal():
    async def soon() -> None:
        await asyncio.sleep(0)

    async def run() -> bool:
        return await _first(soon(), asyncio.Event())

    assert asyncio.run(run()) is True


def test_what_fails_meanwhile_is_not_swallowed():
    async def fail() -> None:
        raise ValueError("broken")

    async def run() -> bool:
        return await _first(fail(), asyncio.Event())

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(run())
    assert app.RELIST_SECONDS < 600
