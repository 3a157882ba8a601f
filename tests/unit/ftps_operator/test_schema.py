from pathlib import Path

import pytest
import yaml

from ftps_operator import schema
from ftps_operator.__main__ import _HEADER, _yaml

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("folder", ["crds", "charts/ftps-operator/files/crds"])
def test_the_committed_files_are_those_of_the_models(folder: str):
    committed = {path.name: path.read_text() for path in (ROOT / folder).iterdir()}
    wanted = {name: _HEADER + _yaml(crd) for name, crd in schema.crds().items()}
    assert committed == wanted, "stale: run `make generate`"


def nodes(node: object):
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child)


@pytest.mark.parametrize("name", schema.crds())
def test_a_schema_is_structural(name: str):
    top = schema.crds()[name]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for node in nodes(top):
        assert not {"$ref", "anyOf", "$defs", "const"} & node.keys()
        assert "x-kubernetes-preserve-unknown-fields" not in node
        assert node.get("default", ...) is not None


def test_the_status_has_a_default_so_that_an_unseen_server_is_in_progress():
    top = schema.ftps_server_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert top["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_a_group_s_default_is_that_of_its_fields():
    spec = schema.structural(schema.FtpsServerSpec)["properties"]
    assert spec["explicit"]["default"] == {"enabled": True, "port": 21}
    assert spec["service"]["default"]["proxyProtocol"] == {"enabled": False, "allowedProxies": []}


def test_the_files_are_yaml_that_reads_back():
    for crd in schema.crds().values():
        assert yaml.safe_load(_yaml(crd)) == crd
