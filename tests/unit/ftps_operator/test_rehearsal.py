"""What the real API server answers to dry runs is tested on the cluster."""

import asyncio
from typing import Any

import pytest

from ftps_operator.errors import Cause, InvalidError
from ftps_operator.kinds import CONFIG_MAP, DEPLOYMENT, POD, SERVICE, of
from ftps_operator.naming import Manifest
from ftps_operator.observed import Observed
from ftps_operator.planned import Action, PlannedChange
from ftps_operator.rehearsal import Rehearsal

FIXED = InvalidError("field is immutable", causes=(Cause("spec.selector", "field is immutable"),))


def manifest(kind: str = "ConfigMap", **fields: Any) -> Manifest:
    version = "apps/v1" if kind == "Deployment" else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "files"}} | fields


class Cache:
    """Answers a dry run. There is no other method: nothing can be written."""

    def __init__(self, answer: Manifest | Exception) -> None:
        self._answer = answer

    async def rehearse(self, _: Manifest) -> Manifest:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def rehearse(
    wanted: Manifest, live: Manifest | None, answer: Manifest | Exception
) -> tuple[Manifest, list[PlannedChange]]:
    observed = Observed(objects={(of(wanted), "x"): live} if live else {})
    rehearsal = Rehearsal(Cache(answer), observed)  # type: ignore[arg-type]
    return asyncio.run(rehearsal.apply(wanted)), rehearsal.changes


def test_what_is_not_there_would_be_made():
    after = manifest(data={"a": "1"})
    assert rehearse(manifest(), None, after) == (after, [PlannedChange(CONFIG_MAP, "x", Action.CREATE)])


def test_what_would_differ_is_noted_and_what_would_not_is_not():
    before, after = manifest(data={"a": "1"}), manifest(data={"a": "2"})
    assert rehearse(manifest(), before, after) == (after, [PlannedChange(CONFIG_MAP, "x", Action.CHANGE, ("data.a",))])
    assert rehearse(manifest(), before, before) == (before, [])


def test_a_shard_does_not_wait_for_one_that_only_would_change():
    before, after = manifest("Deployment", spec=1), manifest("Deployment", spec=2)
    found, changes = rehearse(before, before, after)
    assert found == before
    assert changes == [PlannedChange(DEPLOYMENT, "x", Action.CHANGE, ("spec",))]


def test_what_cannot_change_would_be_made_anew():
    live = manifest("Deployment")
    found, changes = rehearse(live, live, FIXED)
    assert found == live
    assert changes == [PlannedChange(DEPLOYMENT, "x", Action.RECREATE, ("spec.selector",))]


@pytest.mark.parametrize("error", [FIXED, InvalidError("bad")])
def test_what_would_be_refused_is_raised(error: InvalidError):
    live = manifest("Service")
    assert of(live) == SERVICE
    with pytest.raises(InvalidError):
        rehearse(live, live, error)


def test_deleting_and_telling_are_noted_only():
    rehearsal = Rehearsal(Cache(FIXED), Observed())  # type: ignore[arg-type]
    asyncio.run(rehearsal.delete(CONFIG_MAP, "files", "x", uid="1"))
    asyncio.run(rehearsal.annotate(POD, "files", "p", {"example.com/a": "secret"}))
    assert rehearsal.changes == [
        PlannedChange(CONFIG_MAP, "x", Action.DELETE),
        PlannedChange(POD, "p", Action.CHANGE, ("metadata.annotations[example.com/a]",)),
    ]
