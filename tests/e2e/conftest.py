"""One cluster and one operator for all of these tests."""

import pytest

from support.servers import temporary_namespace
from testbed import Cluster, connect
from testbed.install import install_operator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return connect()


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> Cluster:
    """The cluster, with the operator installed from its chart."""
    install_operator(cluster)
    return cluster


@pytest.fixture(scope="module")
def namespace(operator: Cluster, request: pytest.FixtureRequest):
    prefix = request.module.__name__.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    with temporary_namespace(operator, prefix) as made:
        yield made


@pytest.fixture
def embedded(cluster: Cluster) -> Cluster:
    if not cluster.embedded:
        pytest.skip("only the embedded cluster can show this: CLUSTER=current is somebody else's")
    return cluster
