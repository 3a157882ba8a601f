import asyncio
import logging
from typing import Any

import kopf
import pytest

from ftps_operator.handlers import build_registry, watch_settings
from ftps_operator.kinds import FTPS_SERVER, FTPS_USER, NAMESPACE, POD, SECRET, WATCHED, WATCHED_CHILDREN, Kind, watched
from ftps_operator.naming import Manifest
from ftps_operator.settings import Settings

EVERYWHERE = Settings(server_image="s")
SOME = Settings(server_image="s", namespaces=("team",))
News = tuple[Kind, str | None, Manifest]


def handlers(registry: kopf.OperatorRegistry) -> dict[str, Any]:
    return {handler.id: handler for handler in registry._watching.get_all_handlers()}


def seen(kind: Kind, event: dict[str, Any]) -> list[News]:
    """What an event tells."""
    told: list[News] = []
    registry = build_registry(EVERYWHERE, lambda *news: told.append(news))
    asyncio.run(handlers(registry)[kind.plural].fn(event=event, body={}, logger=logging.getLogger()))
    return told


@pytest.mark.parametrize("kind", watched(()), ids=lambda kind: kind.kind)
@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED", "DELETED"])
def test_every_event_is_told_with_its_kind(kind: Kind, event: str | None):
    live = {"metadata": {"name": "a"}}
    assert seen(kind, {"type": event, "object": live}) == [(kind, event, live)]


def test_secrets_are_not_watched():
    assert SECRET not in WATCHED
    assert set(handlers(build_registry(EVERYWHERE, print))) == {kind.plural for kind in (NAMESPACE, *WATCHED)}


def test_namespaces_are_watched_only_with_rights_for_all_of_the_cluster():
    assert set(handlers(build_registry(SOME, print))) == {kind.plural for kind in WATCHED}


def test_kopf_has_no_handler_for_which_it_would_write_into_an_object():
    registry = build_registry(EVERYWHERE, print)
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()


def test_kopf_is_told_to_write_nothing_and_to_see_only_what_is_ours():
    settings = watch_settings(EVERYWHERE)
    assert settings.posting.enabled is False
    assert settings.peering.standalone is True
    for kind in WATCHED_CHILDREN:
        group, _, version = kind.api_version.rpartition("/")
        labels = settings.watching.label_selectors[group, version, kind.plural]
        assert labels == "app.kubernetes.io/managed-by=ftps-operator"


@pytest.mark.parametrize("kind", [FTPS_SERVER, FTPS_USER], ids=lambda kind: kind.kind)
def test_kopf_sees_every_server_and_every_user_whatever_its_labels(kind: Kind):
    selectors = watch_settings(EVERYWHERE).watching.label_selectors
    servers = kopf.Resource("ftps-operator.io", "v1alpha1", kind.plural, namespaced=True)
    pods = kopf.Resource("", "v1", POD.plural, namespaced=True)
    assert not list(selectors.collect(servers))
    assert list(selectors.collect(pods))


def test_kopf_copies_no_object_to_compare_it():
    storage = watch_settings(EVERYWHERE).persistence.diffbase_storage
    body = kopf.Body({"metadata": {"name": "a"}, "spec": {"much": "text"}})
    assert storage.fetch(body=body) is None
    assert storage.build(body=body) == {}


def test_crds_and_namespaces_are_watched_only_with_rights_for_all_of_the_cluster():
    assert watch_settings(EVERYWHERE).scanning.disabled is False
    assert watch_settings(SOME).scanning.disabled is True


def test_a_stream_ends_by_whole_seconds_as_the_api_server_wants_it():
    assert str(watch_settings(EVERYWHERE).watching.server_timeout).isdecimal()
