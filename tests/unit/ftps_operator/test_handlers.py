import asyncio
import logging
from typing import Any

import kopf
import pytest

from ftps_operator.handlers import OWNED, build_registry, watch_settings
from ftps_operator.settings import Settings
from ftps_operator.workqueue import Key

EVERYWHERE = Settings(server_image="s")


def handlers(registry: kopf.OperatorRegistry) -> dict[str, Any]:
    return {handler.id: handler for handler in registry._watching.get_all_handlers()}


def seen(handler_id: str, **event: Any) -> list[Key]:
    """What an event adds to the queue."""
    added: list[Key] = []
    handler = handlers(build_registry(EVERYWHERE, added.append))[handler_id]
    asyncio.run(handler.fn(**event, body={}, logger=logging.getLogger()))
    return added


def test_a_server_is_looked_at_when_it_changes():
    assert seen("server", namespace="team", name="exchange") == [Key("team", "exchange")]


@pytest.mark.parametrize("plural", [plural for _, _, plural in OWNED])
def test_a_servers_object_leads_to_the_server_of_its_namespace(plural: str):
    labels = {"ftps-operator.io/server": "exchange"}
    assert seen(f"owned-{plural}", namespace="team", labels=labels) == [Key("team", "exchange")]


def test_an_object_of_nobody_is_passed_over():
    assert seen("owned-services", namespace="team", labels={"app.kubernetes.io/managed-by": "ftps-operator"}) == []


def test_secrets_are_not_watched():
    assert "secrets" not in {plural for _, _, plural in OWNED}
    assert set(handlers(build_registry(EVERYWHERE, print))) == {"server"} | {f"owned-{plural}" for *_, plural in OWNED}


def test_kopf_has_no_handler_for_which_it_would_write_into_an_object():
    registry = build_registry(EVERYWHERE, print)
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._indexing.get_all_handlers()


def test_kopf_is_told_to_write_nothing_and_to_see_only_what_is_ours():
    settings = watch_settings(EVERYWHERE)
    assert settings.posting.enabled is False
    assert settings.peering.standalone is True
    for group, version, plural in OWNED:
        assert settings.watching.label_selectors[group, version, plural] == "app.kubernetes.io/managed-by=ftps-operator"


def test_crds_and_namespaces_are_watched_only_with_rights_for_all_of_the_cluster():
    assert watch_settings(EVERYWHERE).scanning.disabled is False
    assert watch_settings(Settings(server_image="s", namespaces=("team",))).scanning.disabled is True


def test_a_stream_ends_by_whole_seconds_as_the_api_server_wants_it():
    assert str(watch_settings(EVERYWHERE).watching.server_timeout).isdecimal()
