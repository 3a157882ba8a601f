"""Installs the operator into a cluster, as a user would: with helm, from the checkout's chart."""

from testbed.interface import Cluster
from testbed.paths import CHECKOUT

CHART = CHECKOUT / "charts" / "ftps-operator"
RELEASE = "ftps-operator"
NAMESPACE = "ftps-operator"


def install_operator(cluster: Cluster, *settings: str, release: str = RELEASE, namespace: str = NAMESPACE) -> None:
    """Install or upgrade, and wait until it runs. The namespace enforces the restricted Pod Security Standard."""
    ensure_namespace(cluster, namespace)
    values = [
        *image_values(cluster, "image", "ftps-operator"),
        *image_values(cluster, "serverImage", "ftps-server"),
        *settings,
    ]
    flags = [word for value in values for word in ("--set", value)]
    cluster.helm(
        "upgrade",
        "--install",
        "--force-conflicts",
        release,
        str(CHART),
        "--namespace",
        namespace,
        "--wait",
        "--timeout",
        "120s",
        *flags,
    )


def image_values(cluster: Cluster, key: str, name: str) -> list[str]:
    """The chart's values for one image."""
    repository, _, tag = cluster.image(name).rpartition(":")
    return [f"{key}.repository={repository}", f"{key}.tag={tag}"]


def ensure_namespace(cluster: Cluster, name: str) -> None:
    """A namespace in which the API server refuses pods that are not restricted."""
    manifest = f"""
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
