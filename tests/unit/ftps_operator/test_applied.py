"""What the real API server says of its fields is tested on the cluster (test_scale.py); here are the shapes it has."""

from typing import Any

import pytest

from ftps_operator.applied import is_applied, mark_of, marked
from ftps_operator.naming import Manifest

MANIFEST: Manifest = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a", "namespace": "team", "uid": "u", "labels": {"team": "files"}},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "x"},
        "empty": {},
        "atomic": ["1", "2"],
        "names": ["a", "b"],
        "ports": [{"name": "ftp", "port": 21, "protocol": "TCP"}, {"name": "ftps", "port": 990, "protocol": "TCP"}],
    },
}
PORT: dict[str, Any] = {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}


def fields() -> dict[str, Any]:
    """What the API server says is ours after the apply."""
    return {
        "f:metadata": {"f:annotations": {"f:ftps-operator.io/applied": {}}, "f:labels": {".": {}, "f:team": {}}},
        "f:spec": {
            "f:type": {},
            "f:selector": {},
            "f:empty": {},
            "f:atomic": {},
            "f:names": {'v:"a"': {}, 'v:"b"': {}},
            "f:ports": {
                ".": {},
                'k:{"port":21,"protocol":"TCP"}': PORT,
                'k:{"port":990,"protocol":"TCP"}': PORT,
            },
        },
    }


def live(ours: dict[str, Any], *, manager: str = "ftps-operator", manifest: Manifest = MANIFEST) -> Manifest:
    found = marked(manifest)
    entries = [{"manager": manager, "fieldsV1": ours}, {"manager": "other", "fieldsV1": fields()}]
    return found | {"metadata": found["metadata"] | {"managedFields": entries}}


def test_what_was_applied_and_left_alone_is_applied():
    assert is_applied(marked(MANIFEST), live(fields()))


def test_what_was_never_marked_is_not():
    assert not is_applied(marked(MANIFEST), MANIFEST)


def test_another_value_is_another_mark():
    other = MANIFEST | {"spec": MANIFEST["spec"] | {"type": "ClusterIP"}}
    assert mark_of(marked(other)) != mark_of(marked(MANIFEST))
    assert not is_applied(marked(other), live(fields()))


def test_the_order_of_keys_makes_no_difference():
    other = dict(reversed(MANIFEST.items()))
    assert mark_of(marked(other)) == mark_of(marked(MANIFEST))


def test_a_manifest_keeps_its_own_annotations():
    annotated = MANIFEST | {"metadata": MANIFEST["metadata"] | {"annotations": {"a": "b"}}}
    assert marked(annotated)["metadata"]["annotations"]["a"] == "b"
    assert annotated["metadata"]["annotations"] == {"a": "b"}


TAKEN = [
    ("f:metadata", "f:labels", "f:team"),
    ("f:spec", "f:type"),
    ("f:spec", "f:selector"),
    ("f:spec", "f:empty"),
    ("f:spec", "f:atomic"),
    ("f:spec", "f:names", 'v:"b"'),
    ("f:spec", "f:ports"),
    ("f:spec", "f:ports", 'k:{"port":990,"protocol":"TCP"}'),
]


@pytest.mark.parametrize("path", TAKEN, ids=".".join)
def test_a_field_that_somebody_else_has_set_since_is_drift(path: tuple[str, ...]):
    ours = fields()
    at = ours
    for part in path[:-1]:
        at = at[part]
    del at[path[-1]]
    assert not is_applied(marked(MANIFEST), live(ours))


def test_a_field_of_an_item_counts_too():
    ours = fields()
    ours["f:spec"]["f:ports"]['k:{"port":21,"protocol":"TCP"}'] = {"f:port": {}, "f:protocol": {}}
    assert not is_applied(marked(MANIFEST), live(ours))


def test_the_fields_of_others_do_not_count():
    assert not is_applied(marked(MANIFEST), live(fields(), manager="somebody"))


def test_what_a_webhook_made_of_our_apply_is_ours():
    # The API server notes it as an update, in an entry of its own.
    ours = fields()
    del ours["f:spec"]["f:type"]
    found = live(ours)
    update = {"manager": "ftps-operator", "operation": "Update", "fieldsV1": {"f:spec": {"f:type": {}}}}
    found["metadata"]["managedFields"].append(update)
    assert is_applied(marked(MANIFEST), found)
