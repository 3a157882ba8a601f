import asyncio
import copy
from collections.abc import Awaitable
from typing import Any

import pytest

from ftps_operator.errors import ConflictError, TransientError
from ftps_operator.leader import LEASE_SECONDS, RENEW_SECONDS, Leadership, LeadershipLostError


class Store:
    """A lease and a clock; the API server's answers to faults that a real one does not make on demand."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.now = 0.0
        self.down = False
        self.ticks = 0

    def _answer(self) -> None:
        if self.down:
            raise TransientError("no answer")

    async def get(self, *_: object) -> dict[str, Any] | None:
        self._answer()
        return copy.deepcopy(self.lease)

    async def create(self, lease: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        if self.lease is not None:
            raise ConflictError("exists")
        return self._store(lease)

    async def replace(self, lease: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        assert self.lease is not None
        if lease["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError("changed")
        return self._store(lease)

    def _store(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)

    def sleep(self, seconds: float) -> Awaitable[None]:
        self.now += seconds
        self.ticks -= 1
        if self.ticks < 0:
            raise TimeoutError
        return asyncio.sleep(0)

    def candidate(self, identity: str) -> Leadership:
        return Leadership(
            self,  # type: ignore[arg-type]
            namespace="n",
            name="lease",
            identity=identity,
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )

    @property
    def holder(self) -> str:
        assert self.lease is not None
        found: str = self.lease["spec"]["holderIdentity"]
        return found


def acquire(store: Store, candidate: Leadership, ticks: int = 0) -> bool:
    store.ticks = ticks
    try:
        asyncio.run(candidate.acquire())
    except TimeoutError:
        return False
    return True


def test_the_first_one_leads_and_the_second_waits():
    store = Store()
    assert acquire(store, store.candidate("a"))
    assert not acquire(store, store.candidate("b"), ticks=3)
    assert store.holder == "a"


def test_a_lease_that_nobody_renews_is_taken_over_after_its_duration():
    store = Store()
    acquire(store, store.candidate("a"))
    assert acquire(store, store.candidate("b"), ticks=20)
    assert store.now > LEASE_SECONDS
    assert store.holder == "b"
    assert store.lease is not None
    assert store.lease["spec"]["leaseTransitions"] == 1


def test_a_lease_given_up_is_taken_over_at_once():
    store = Store()
    leader = store.candidate("a")
    acquire(store, leader)
    asyncio.run(leader.release())
    assert acquire(store, store.candidate("b"))
    assert store.now == 0


def test_a_leader_cut_off_gives_up_before_another_may_lead():
    store = Store()
    leader = store.candidate("a")
    acquire(store, leader)
    store.down, store.ticks = True, 100
    with pytest.raises(LeadershipLostError):
        asyncio.run(leader.keep())
    assert RENEW_SECONDS < store.now < LEASE_SECONDS


def test_a_leader_whose_lease_was_taken_stops_at_once():
    store = Store()
    leader = store.candidate("a")
    acquire(store, leader)
    assert store.lease is not None
    store.lease["spec"]["holderIdentity"] = "b"
    store.ticks = 100
    with pytest.raises(LeadershipLostError):
        asyncio.run(leader.keep())
    assert store.holder == "b"


def test_a_short_disturbance_costs_nothing():
    store = Store()
    leader = store.candidate("a")
    acquire(store, leader)
    store.ticks = 50
    with pytest.raises(TimeoutError):
        asyncio.run(leader.keep())
    assert store.holder == "a"
