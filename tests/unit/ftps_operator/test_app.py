import asyncio
import os
from typing import Any

import pytest

from ftps_operator.app import _first, _run_all, news, observer, restart_for_certificates
from ftps_operator.errors import KindNotServedError, TransientError
from ftps_operator.kinds import FTPS_SERVER, FTPS_USER, SERVICE, Kind
from ftps_operator.leader import LeadershipLostError
from ftps_operator.secretpoll import SecretName
from ftps_operator.settings import Settings
from ftps_operator.store import Store
from ftps_operator.workqueue import Key
from support.samples import ftps_user_body

EVERYWHERE = Settings(server_image="s")
SOME = Settings(server_image="s", namespaces=("a", "b"))


class Api:
    """Answers one after the other; what is an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)

    async def get(self, *_: object) -> Any:
        return self._next()

    def _next(self) -> Any:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


class HeardOfUsers:
    """A queue of users."""

    def __init__(self, keys: list[Key]) -> None:
        self.add = keys.append


class Heard:
    """What events have led to."""

    def __init__(self) -> None:
        self.store = Store()
        self.due: list[Kind] = []
        self.added: list[Key] = []
        self.users: list[Key] = []
        self.dropped: list[SecretName] = []
        self.observe = observer(self.store, self, HeardOfUsers(self.users), news(self, self))  # type: ignore[arg-type]

    def is_due(self, kind: Kind) -> None:
        self.due.append(kind)

    def add(self, key: Key) -> None:
        self.added.append(key)

    def drop(self, name: SecretName) -> None:
        self.dropped.append(name)


def live(version: str, name: str = "exchange") -> dict[str, Any]:
    labels = {"ftps-operator.io/server": "exchange"}
    return {"metadata": {"namespace": "team", "name": name, "uid": "u", "resourceVersion": version, "labels": labels}}


@pytest.mark.parametrize("kind", [FTPS_SERVER, SERVICE], ids=lambda kind: kind.kind)
def test_a_server_is_looked_at_when_it_or_one_of_its_objects_changes(kind: Kind):
    heard = Heard()
    heard.observe(kind, "MODIFIED", live("1"))
    assert heard.added == [Key("team", "exchange")]
    assert heard.due == []


def test_the_echo_of_what_was_written_leads_to_nothing():
    heard = Heard()
    heard.store.observe(SERVICE, live("2"))
    heard.observe(SERVICE, "ADDED", live("1"))
    heard.observe(SERVICE, "MODIFIED", live("2"))
    assert heard.added == []


def test_a_deleted_object_is_news():
    heard = Heard()
    heard.store.observe(SERVICE, live("1"))
    heard.observe(SERVICE, "DELETED", live("2"))
    assert heard.added == [Key("team", "exchange")]
    assert heard.store.count(SERVICE) == 0


def test_what_kopf_lists_is_to_be_listed_here_too():
    heard = Heard()
    heard.observe(SERVICE, None, live("1"))
    assert heard.due == [SERVICE]


def dora(version: str, **fields: Any) -> dict[str, Any]:
    body = ftps_user_body("dora", "blue")
    return body | {"metadata": body["metadata"] | {"resourceVersion": version} | fields}


def test_a_user_that_changes_has_its_server_looked_at_and_its_secret_read_anew():
    heard = Heard()
    heard.observe(FTPS_USER, "ADDED", dora("1"))
    assert (heard.added, heard.users) == ([Key("files", "exchange")], [Key("blue", "dora")])
    assert heard.dropped == [("blue", "dora")]
    heard.observe(FTPS_USER, "MODIFIED", dora("2", annotations={"rotated": "now"}))
    assert (len(heard.added), len(heard.users), len(heard.dropped)) == (2, 2, 2)


def test_a_server_that_changes_has_its_users_secrets_read_anew():
    heard = Heard()
    users = [{"passwordSecretRef": {"name": "a"}}, {"passwordHashSecretRef": {"name": "b"}}, {"clientCertificate": {}}]
    heard.observe(FTPS_SERVER, "MODIFIED", live("1") | {"spec": {"users": users}})
    assert set(heard.dropped) == {("team", "a"), ("team", "b")}


def test_a_user_s_status_that_changes_is_looked_at_and_nothing_else():
    heard = Heard()
    heard.observe(FTPS_USER, "ADDED", dora("1"))
    heard.observe(FTPS_USER, "MODIFIED", dora("2") | {"status": {"login": "root"}})
    assert (len(heard.added), len(heard.users), len(heard.dropped)) == (1, 2, 1)


def test_a_user_that_is_gone_has_its_server_looked_at():
    heard = Heard()
    heard.observe(FTPS_USER, "ADDED", dora("1"))
    heard.observe(FTPS_USER, "DELETED", dora("2"))
    assert heard.added == [Key("files", "exchange")] * 2
    assert heard.store.count(FTPS_USER) == 0


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
