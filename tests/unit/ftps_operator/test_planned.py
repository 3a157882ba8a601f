import json
from typing import Any

import pytest

from ftps_operator.certificates import self_sign
from ftps_operator.kinds import CONFIG_MAP, DEPLOYMENT
from ftps_operator.models.status import FIELD_LENGTH, MAX_CHANGES, MAX_FIELDS, FtpsServerStatus
from ftps_operator.observed import Observed
from ftps_operator.planned import Action, Plan, PlannedChange, changed_fields, later_changes
from ftps_operator.secretview import SecretView
from support.samples import NOW, manifests, owned, server

PAIR = self_sign(["ftp.example.com"], now=NOW)
SECRETS = {"mine": SecretView("mine", "v", "u", "1", {"tls.crt": PAIR.certificate, "tls.key": PAIR.private_key})}
IMAGE = "ftps-server:1"


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return list(changed_fields({"metadata": {}} | before, {"metadata": {}} | after))


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({"spec": {"a": 1, "b": 2}}, {"spec": {"a": 1, "b": 3}}, ["spec.b"]),
        ({"spec": {}}, {"spec": {"new": {"deep": 1}}}, ["spec.new"]),
        ({"spec": {"gone": 1}}, {"spec": {}}, ["spec.gone"]),
        ({"data": {"users.json": "a"}}, {"data": {"users.json": "b"}}, ["data[users.json]"]),
        (
            {"c": [{"name": "x", "image": "1"}, {"name": "y"}]},
            {"c": [{"name": "x", "image": "2"}, {"name": "z"}]},
            ["c[x].image", "c[y]", "c[z]"],
        ),
        ({"from": [{"cidr": "a"}]}, {"from": [{"cidr": "b"}]}, ["from[0].cidr"]),
        ({"from": [1]}, {"from": [1, 2]}, ["from"]),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_a_path_leads_to_each_difference(before: dict[str, Any], after: dict[str, Any], paths: list[str]):
    assert changed(before, after) == paths


def test_what_the_api_server_counts_is_no_difference():
    before = {"metadata": {"resourceVersion": "1", "generation": 1, "managedFields": [1], "labels": {}}, "status": 1}
    after = {"metadata": {"resourceVersion": "2", "generation": 2, "managedFields": [2], "labels": {}}, "status": 2}
    assert changed(before, after) == []


def test_the_plan_in_the_status_is_bounded_and_has_no_value():
    fields = tuple(f"data[{number}-{'x' * FIELD_LENGTH}]" for number in range(MAX_FIELDS + 5))
    change = PlannedChange(CONFIG_MAP, "config", Action.CHANGE, fields)
    status = Plan((change,) * (MAX_CHANGES + 1)).as_status()
    assert status[0]["fields"][-1] == "and 5 more"
    FtpsServerStatus.model_validate({"plan": status})
    secret = changed({"data": {"key": "secret-1"}}, {"data": {"key": "secret-2"}})
    assert "secret" not in json.dumps(secret)


def observed_shards(count: int, **spec: Any) -> Observed:
    """The Deployments of so many shards, as an operator has made them for this spec."""
    made = server(replicas=2, **spec)
    observed = Observed(secrets=SECRETS)
    for ordinal in range(count):
        deployment = manifests(server(replicas=ordinal + 1, **spec), observed)["Deployment"]
        observed = observed.with_object(owned(made, deployment))
    return observed


def later(spec: dict[str, Any], observed: Observed, *noted: str) -> list[tuple[str, str, tuple[str, ...]]]:
    changes = later_changes(server(**spec), observed, noted, default_image=IMAGE)
    assert {change.kind for change in changes} <= {DEPLOYMENT}
    return [(change.name, change.action.value, change.fields) for change in changes]


def test_a_shard_whose_turn_comes_later_is_in_the_plan():
    spec = {"replicas": 2, "podLabels": {"a": "b"}}
    whole = ("spec.template",)
    observed = observed_shards(2)
    assert later(spec, observed, "exchange-0") == [("exchange-1", "Change", whole)]
    assert later({"replicas": 2}, observed) == []
    assert later({"replicas": 2}, observed_shards(1)) == [("exchange-1", "Create", ())]


def test_every_shard_that_is_too_many_is_in_the_plan():
    assert later({}, observed_shards(2)) == [("exchange-1", "Delete", ())]
    assert later({}, observed_shards(2), "exchange-1") == []
