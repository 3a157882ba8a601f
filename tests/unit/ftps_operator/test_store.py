import itertools
from typing import Any

import pytest

from ftps_operator.kinds import CONFIG_MAP, DEPLOYMENT, FTPS_SERVER, FTPS_USER, NAMESPACE, POD, Kind
from ftps_operator.naming import Manifest
from ftps_operator.store import Store
from support.samples import ftps_user_body

OWNER = ("team", "exchange")


def live(version: str, *, uid: str = "u1", name: str = "config", server: str = "exchange", **fields: Any) -> Manifest:
    labels = {"ftps-operator.io/server": server}
    meta = {"namespace": "team", "name": name, "uid": uid, "resourceVersion": version, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta} | fields


def stored(store: Store, kind: Kind = CONFIG_MAP, name: str = "config") -> Any:
    found = store.get(kind, "team", name)
    return found and found.get("data")


def test_what_was_heard_of_is_known_by_name_and_by_server():
    store = Store()
    assert store.observe(CONFIG_MAP, live("1", data={"a": "b"})) == {OWNER}
    found = store.get(CONFIG_MAP, "team", "config")
    assert found == live("1", data={"a": "b"})
    assert store.belonging(CONFIG_MAP, OWNER) == [found]
    assert store.belonging(CONFIG_MAP, ("team", "other")) == []
    assert store.belonging(DEPLOYMENT, OWNER) == []
    assert list(store.owners(CONFIG_MAP)) == [OWNER]
    assert store.count(CONFIG_MAP) == 1


def test_a_server_belongs_to_itself():
    store = Store()
    server = live("1", name="exchange", server="") | {"kind": "FtpsServer", "apiVersion": "ftps-operator.io/v1alpha1"}
    assert store.observe(FTPS_SERVER, server) == {OWNER}


def test_an_echo_of_our_own_write_is_no_news():
    store = Store()
    store.observe(CONFIG_MAP, live("2", data={"a": "new"}))
    assert store.observe(CONFIG_MAP, live("2", data={"a": "new"})) == set()


def test_a_watch_that_lags_behind_does_not_overwrite_an_answer():
    store = Store()
    store.observe(CONFIG_MAP, live("10", data={"a": "new"}))
    assert store.observe(CONFIG_MAP, live("9", data={"a": "old"})) == set()
    assert stored(store) == {"a": "new"}


def test_versions_are_compared_as_numbers():
    store = Store()
    store.observe(CONFIG_MAP, live("9", data={"a": "old"}))
    assert store.observe(CONFIG_MAP, live("10", data={"a": "new"})) == {OWNER}
    assert stored(store) == {"a": "new"}


@pytest.mark.parametrize("order", list(itertools.permutations(["ADDED", "MODIFIED", "answer"])))
def test_the_newest_wins_in_whatever_order_it_is_heard_of(order: tuple[str, ...]):
    versions = {"ADDED": "1", "MODIFIED": "2", "answer": "3"}
    store = Store()
    for event in order:
        store.observe(CONFIG_MAP, live(versions[event], data={"from": event}))
    assert stored(store) == {"from": "answer"}


def test_a_change_of_what_nobody_reads_is_no_news():
    store = Store()
    fields = [{"manager": "kubelet", "fieldsV1": {}, "time": "now"}]
    store.observe(CONFIG_MAP, live("1"))
    other = live("2")
    other["metadata"]["managedFields"] = fields
    assert store.observe(CONFIG_MAP, other) == set()
    assert store.get(CONFIG_MAP, "team", "config") == live("2")


def test_of_the_managed_fields_ours_are_kept():
    store = Store()
    made = live("1")
    ours = {"manager": "ftps-operator", "operation": "Apply", "fieldsV1": {"f:data": {}}, "time": "now"}
    made["metadata"]["managedFields"] = [ours, {"manager": "kubectl", "fieldsV1": {"f:data": {}}}]
    store.observe(CONFIG_MAP, made)
    found = store.get(CONFIG_MAP, "team", "config")
    assert found is not None
    assert found["metadata"]["managedFields"] == [{"manager": "ftps-operator", "fieldsV1": {"f:data": {}}}]


def test_of_a_pod_only_what_is_read_is_kept():
    store = Store()
    pod = live(
        "1", spec={"containers": []}, status={"hostIPs": [{"ip": "10.0.0.1"}], "podIP": "10.0.0.2", "conditions": []}
    )
    store.observe(POD, pod)
    found = store.get(POD, "team", "config")
    assert found is not None
    assert found["status"] == {"hostIPs": [{"ip": "10.0.0.1"}], "conditions": []}
    assert "spec" not in found
    moved = live("2", spec={}, status={"hostIPs": [{"ip": "10.0.0.1"}], "podIP": "10.0.0.9", "conditions": []})
    assert store.observe(POD, moved) == set()


def test_what_is_deleted_is_gone():
    store = Store()
    store.observe(CONFIG_MAP, live("1"))
    assert store.remove(CONFIG_MAP, live("2")) == {OWNER}
    assert stored(store) is None
    assert store.belonging(CONFIG_MAP, OWNER) == []
    assert store.remove(CONFIG_MAP, live("2")) == set()


def test_an_answer_that_comes_after_the_deletion_does_not_bring_it_back():
    store = Store()
    store.remove(CONFIG_MAP, live("5"))
    assert store.observe(CONFIG_MAP, live("4", data={"a": "b"})) == set()
    assert store.get(CONFIG_MAP, "team", "config") is None


def test_a_deletion_that_is_older_than_what_is_known_is_passed_over():
    # The label was taken away, which the watch tells as a deletion, and our apply has set it again.
    store = Store()
    store.observe(CONFIG_MAP, live("6", data={"a": "b"}))
    assert store.remove(CONFIG_MAP, live("5")) == set()
    assert stored(store) == {"a": "b"}


def test_an_object_that_got_its_label_back_is_known_again():
    store = Store()
    store.observe(CONFIG_MAP, live("1"))
    store.remove(CONFIG_MAP, live("2"))
    assert store.observe(CONFIG_MAP, live("3", data={"a": "b"})) == {OWNER}
    assert stored(store) == {"a": "b"}


def test_versions_that_are_no_numbers_are_believed_as_they_come():
    store = Store()
    store.observe(CONFIG_MAP, live("b", data={"a": "old"}))
    assert store.observe(CONFIG_MAP, live("a", data={"a": "new"})) == {OWNER}
    assert stored(store) == {"a": "new"}
    assert store.remove(CONFIG_MAP, live("c")) == {OWNER}
    assert stored(store) is None


def test_a_label_that_moves_an_object_to_another_server_is_news_to_both():
    store = Store()
    store.observe(CONFIG_MAP, live("1"))
    assert store.observe(CONFIG_MAP, live("2", server="other")) == {OWNER, ("team", "other")}
    assert store.belonging(CONFIG_MAP, OWNER) == []
    assert len(store.belonging(CONFIG_MAP, ("team", "other"))) == 1


def test_one_that_took_anothers_name_is_known_once_the_other_is_gone():
    store = Store()
    store.observe(CONFIG_MAP, live("1", uid="u1"))
    store.remove(CONFIG_MAP, live("2", uid="u1"))
    assert store.observe(CONFIG_MAP, live("3", uid="u2", data={"a": "b"})) == {OWNER}
    assert stored(store) == {"a": "b"}


def test_of_two_with_one_name_neither_is_believed():
    store = Store()
    store.observe(CONFIG_MAP, live("3", uid="u2"))
    assert store.observe(CONFIG_MAP, live("1", uid="u1")) == {OWNER}
    assert store.get(CONFIG_MAP, "team", "config") is None


def test_the_deletion_of_a_predecessor_leaves_its_successor():
    store = Store()
    store.observe(CONFIG_MAP, live("3", uid="u2", data={"a": "b"}))
    assert store.remove(CONFIG_MAP, live("2", uid="u1")) == set()
    assert stored(store) == {"a": "b"}


def test_what_a_listing_does_not_have_is_gone():
    store = Store()
    store.observe(CONFIG_MAP, live("1", uid="u1", name="kept"))
    store.observe(CONFIG_MAP, live("2", uid="u2", name="gone"))
    removed = store.remove_unlisted(CONFIG_MAP, lambda _, uid: uid == "u1", since=store.mark())
    assert removed == {OWNER}
    assert store.get(CONFIG_MAP, "team", "gone") is None
    assert store.get(CONFIG_MAP, "team", "kept") is not None


def test_what_was_written_while_the_listing_was_under_way_stays():
    store = Store()
    since = store.mark()
    store.observe(CONFIG_MAP, live("1"))
    assert store.remove_unlisted(CONFIG_MAP, lambda *_: False, since=since) == set()
    assert store.get(CONFIG_MAP, "team", "config") is not None


def test_deletions_are_forgotten_in_the_end():
    store = Store()
    store.remove(CONFIG_MAP, live("5"))
    store.forget_deleted(before=store.mark())
    assert store.observe(CONFIG_MAP, live("4")) == {OWNER}


def test_nobody_can_change_what_is_stored():
    store = Store()
    store.observe(CONFIG_MAP, live("1", data={"a": "b"}))
    found = store.get(CONFIG_MAP, "team", "config")
    assert found is not None
    found["data"]["a"] = "changed"
    assert stored(store) == {"a": "b"}


def user(version: str, namespace: str = "blue", *, server: str = "exchange", **meta: Any) -> Manifest:
    body = ftps_user_body("dora", namespace, serverRef={"name": server, "namespace": "team"})
    return body | {"metadata": body["metadata"] | {"resourceVersion": version} | meta}


def test_a_user_belongs_to_the_server_that_it_names_wherever_that_is():
    store = Store()
    assert store.observe(FTPS_USER, user("1")) == {OWNER}
    here = ftps_user_body("bob", "team", serverRef={"name": "exchange"})
    assert store.observe(FTPS_USER, here) == {OWNER}
    found = [live["metadata"]["name"] for live in store.belonging(FTPS_USER, OWNER)]
    assert found == ["dora", "bob"]
    assert store.observe(FTPS_USER, user("2", server="other")) == {OWNER, ("team", "other")}
    assert store.remove(FTPS_USER, user("3", server="other")) == {("team", "other")}
    assert store.belonging(FTPS_USER, ("team", "other")) == []


def test_a_user_s_status_is_of_no_consequence_for_its_server_and_an_annotation_is():
    store = Store()
    store.observe(FTPS_USER, user("1"))
    assert store.observe(FTPS_USER, user("2", managedFields=[]) | {"status": {"login": "dora"}}) == set()
    found = store.get(FTPS_USER, "blue", "dora")
    assert found is not None
    assert found["status"] == {"login": "dora"}
    assert store.observe(FTPS_USER, user("3", annotations={"rotated": "now"})) == {OWNER}


def test_a_namespace_s_labels_concern_the_servers_of_its_users():
    def blue(version: str, **labels: str) -> Manifest:
        meta = {"name": "blue", "uid": "u", "resourceVersion": version, "labels": labels, "annotations": {"v": version}}
        return {"metadata": meta, "status": {"phase": "Active"}}

    store = Store()
    assert store.observe(NAMESPACE, blue("1")) == set()
    store.observe(FTPS_USER, user("1"))
    store.observe(FTPS_USER, user("1", "red", server="other"))
    assert store.observe(NAMESPACE, blue("2", a="b")) == {OWNER}
    assert store.observe(NAMESPACE, blue("3", a="b")) == set()
    found = store.get(NAMESPACE, "", "blue")
    assert found is not None
    assert found["metadata"]["labels"] == {"a": "b"}
    assert store.remove(NAMESPACE, blue("4")) == {OWNER}
