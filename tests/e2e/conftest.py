"""One cluster and one operator for all of these tests."""

from collections.abc import Iterator

import pytest

from support.servers import temporary_namespace
from testbed import Cluster, connect
from testbed.install import NAMESPACE, RELEASE, install_operator


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


@pytest.fixture
def without_deployment(operator: Cluster) -> Iterator[Cluster]:
    """The chart's permissions without its process."""
    operator.kubectl("scale", "deployment", RELEASE, "-n", NAMESPACE, "--replicas=0")
    operator.kubectl("wait", "pods", "-n", NAMESPACE, "--all", "--for=delete", "--timeout=60s")
    yield operator
    operator.kubectl("scale", "deployment", RELEASE, "-n", NAMESPACE, "--replicas=1")
    operator.kubectl("rollout", "status", "deployment", RELEASE, "-n", NAMESPACE, "--timeout=60s")
