import pytest

from ftps_operator import kinds


def test_a_manifest_tells_its_kind():
    assert kinds.of({"apiVersion": "apps/v1", "kind": "Deployment"}) is kinds.DEPLOYMENT
    assert kinds.of({"apiVersion": "v1", "kind": "Secret"}) is kinds.SECRET


def test_a_kind_that_the_operator_does_not_write_is_a_mistake():
    with pytest.raises(KeyError):
        kinds.of({"apiVersion": "v1", "kind": "Node"})
