import asyncio
import copy
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from ftps_operator import leader
from ftps_operator.errors import ConflictError, ForbiddenError, TransientError
from ftps_operator.leader import KEEP_SECONDS, LEASE_SECONDS, RENEW_SECONDS, Leadership, LeadershipLostError


class Clock:
    """Time passes only while somebody sleeps. `at` has things happen meanwhile."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._plans: list[tuple[float, Callable[[], None]]] = []

    def at(self, seconds: float, happening: Callable[[], None]) -> None:
        self._plans.append((1000.0 + seconds, happening))

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        due = [plan for plan in self._plans if plan[0] <= self.now]
        self._plans = [plan for plan in self._plans if plan[0] > self.now]
        for _, happening in due:
            happening()
        await asyncio.sleep(0)


class Leases:
    """One lease, as the API server keeps it, and the faults it would not make on demand."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.fault: Exception | None = None
        self.after_get: Callable[[], None] = lambda: None
        self._version = 0

    async def get(self, *_: object) -> dict[str, Any] | None:
        if self.fault:
            raise self.fault
        found = copy.deepcopy(self.lease)
        self.after_get()
        return found

    async def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if self.lease is not None:
            raise ConflictError("already exists")
        return self._store(manifest)

    async def replace(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if self.fault:
            raise self.fault
        if self.lease is None or manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError("the object has been modified")
        return self._store(manifest)

    def _store(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        self.lease = copy.deepcopy(manifest)
        self.lease["metadata"]["resourceVersion"] = str(self._version)
        return copy.deepcopy(self.lease)

    def held_by(self, identity: str) -> None:
        metadata = {"name": "operator", "namespace": "system"}
        self._store({"metadata": metadata, "spec": {"holderIdentity": identity, "leaseTransitions": 3}})

    @property
    def holder(self) -> str:
        assert self.lease is not None
        found: str = self.lease["spec"]["holderIdentity"]
        return found


def candidate(leases: Leases, clock: Clock, identity: str = "me") -> Leadership:
    return Leadership(
        leases,  # type: ignore[arg-type]
        namespace="system",
        name="operator",
        identity=identity,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


def test_the_first_one_leads_at_once():
    leases, clock = Leases(), Clock()
    asyncio.run(candidate(leases, clock).acquire())
    assert leases.holder == "me"
    assert clock.now == 1000.0


def test_a_lease_somebody_made_without_a_spec_is_free():
    leases, clock = Leases(), Clock()
    leases.held_by("")
    assert leases.lease is not None
    del leases.lease["spec"]
    asyncio.run(candidate(leases, clock).acquire())
    assert leases.holder == "me"


def test_a_standby_waits_until_the_lease_has_not_changed_for_its_duration():
    leases, clock = Leases(), Clock()
    leases.held_by("other")
    for second in range(2, 31, 2):
        clock.at(second, lambda: leases.held_by("other"))
    asyncio.run(candidate(leases, clock).acquire())
    assert leases.holder == "me"
    assert 30 + LEASE_SECONDS < clock.now - 1000 <= 30 + LEASE_SECONDS + 4
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 4


def test_a_standby_does_not_touch_a_lease_that_is_kept():
    leases, clock = Leases(), Clock()
    leases.held_by("other")
    assert not asyncio.run(candidate(leases, clock)._try(5))
    assert leases.holder == "other"
    assert leases.lease is not None
    assert leases.lease["spec"]["leaseTransitions"] == 3


def test_a_standby_is_known_as_one_only_once_it_has_seen_the_leader():
    leases, clock = Leases(), Clock()
    leases.held_by("other")
    leases.fault = TransientError("the API server is away")
    seen: list[float] = []

    def back() -> None:
        leases.fault = None

    clock.at(6, back)
    asyncio.run(candidate(leases, clock).acquire(on_standby=lambda: seen.append(clock.now - 1000)))
    assert seen[0] == 6


def test_a_released_lease_is_taken_at_once():
    leases, clock = Leases(), Clock()

    async def run() -> None:
        first = candidate(leases, clock, "first")
        await first.acquire()
        await first.release()
        await candidate(leases, clock, "second").acquire()

    asyncio.run(run())
    assert leases.holder == "second"
    assert clock.now == 1000.0


def test_of_two_that_reach_for_it_one_gets_it():
    leases, clock = Leases(), Clock()
    leases.held_by("")

    def overtake() -> None:
        leases.after_get = lambda: None
        leases.held_by("other")

    leases.after_get = overtake
    leadership = candidate(leases, clock)
    assert not asyncio.run(leadership._try(5))
    assert leases.holder == "other"


def test_a_missing_permission_does_not_end_the_wait():
    leases, clock = Leases(), Clock()
    leases.fault = ForbiddenError('User "x" cannot get resource "leases"')

    def granted() -> None:
        leases.fault = None

    clock.at(20, granted)
    asyncio.run(candidate(leases, clock).acquire())
    assert leases.holder == "me"


def keep_until_lost(leases: Leases, clock: Clock, *, give_up_after: float = 600) -> float:
    """Lead until that ends. Returns after how many seconds it did."""

    class EnoughError(Exception):
        pass

    def enough() -> None:
        raise EnoughError

    clock.at(give_up_after, enough)

    async def run() -> None:
        leadership = candidate(leases, clock)
        await leadership.acquire()
        with pytest.raises((LeadershipLostError, EnoughError)):
            await leadership.keep()

    asyncio.run(run())
    return clock.now - 1000


def test_a_leader_keeps_the_lease_for_as_long_as_it_renews():
    leases, clock = Leases(), Clock()
    assert keep_until_lost(leases, clock) == 600
    assert leases.holder == "me"


def test_a_leader_that_cannot_renew_stops_before_another_may_start():
    leases, clock = Leases(), Clock()

    def away() -> None:
        leases.fault = TransientError("the API server is away")

    clock.at(20, away)
    lost = keep_until_lost(leases, clock)
    assert 18 + RENEW_SECONDS <= lost < 18 + LEASE_SECONDS


def test_a_slow_renewal_counts_from_when_it_was_asked_for():
    leases, clock = Leases(), Clock()
    replace = leases.replace

    async def slow(manifest: dict[str, Any]) -> dict[str, Any]:
        found = await replace(manifest)
        clock.now += 5
        leases.fault = TransientError("and that was the last one")
        return found

    leases.replace = slow  # type: ignore[method-assign]
    asked = 2.0
    assert keep_until_lost(leases, clock) < asked + LEASE_SECONDS


def test_a_process_that_was_stopped_and_goes_on_knows_that_it_may_not_write():
    leases, clock = Leases(), Clock()
    leadership = candidate(leases, clock)
    assert not leadership.is_held()
    asyncio.run(leadership.acquire())
    assert leadership.is_held()
    clock.now += RENEW_SECONDS
    assert not leadership.is_held()


@pytest.mark.parametrize("hours", [1, -1])
def test_a_jump_of_the_wall_clock_moves_the_lease_to_nobody(hours: int, monkeypatch: pytest.MonkeyPatch):
    leases, clock = Leases(), Clock()
    jumped = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)

    def jump() -> None:
        monkeypatch.setattr(leader, "_now", lambda: jumped.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))

    async def run() -> None:
        leading, waiting = candidate(leases, clock, "leading"), candidate(leases, clock, "waiting")
        await leading.acquire()
        jump()
        for _ in range(30):
            await clock.sleep(KEEP_SECONDS)
            assert await leading._try(5)
            assert not await waiting._try(5)
        assert leading.is_held()

    asyncio.run(run())
    assert leases.holder == "leading"


def test_a_lease_renewed_in_the_future_is_taken_as_soon_as_any_other():
    leases, clock = Leases(), Clock()
    leases.held_by("other")
    assert leases.lease is not None
    leases.lease["spec"]["renewTime"] = "2099-01-01T00:00:00.000000Z"
    asyncio.run(candidate(leases, clock).acquire())
    assert leases.holder == "me"
    assert clock.now - 1000 <= LEASE_SECONDS + 4


def test_a_short_outage_costs_nothing():
    leases, clock = Leases(), Clock()

    def away() -> None:
        leases.fault = TransientError("the API server is away")

    def back() -> None:
        leases.fault = None

    clock.at(20, away)
    clock.at(26, back)
    assert keep_until_lost(leases, clock) == 600


def test_a_leader_that_finds_another_ones_name_stops_at_once():
    leases, clock = Leases(), Clock()
    clock.at(21, lambda: leases.held_by("other"))
    assert keep_until_lost(leases, clock) == 21
    assert leases.holder == "other"


def test_a_deleted_lease_is_made_anew():
    leases, clock = Leases(), Clock()

    def delete() -> None:
        leases.lease = None

    clock.at(20, delete)
    assert keep_until_lost(leases, clock) == 600
    assert leases.holder == "me"


def test_what_is_not_ours_is_not_released():
    leases, clock = Leases(), Clock()
    leases.held_by("other")
    asyncio.run(candidate(leases, clock).release())
    assert leases.holder == "other"


def test_a_release_that_fails_does_not_keep_the_process_from_ending():
    leases, clock = Leases(), Clock()

    async def run() -> None:
        leadership = candidate(leases, clock)
        await leadership.acquire()
        leases.fault = TransientError("the API server is away")
        await leadership.release()

    asyncio.run(run())
