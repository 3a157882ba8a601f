"""The test bed: a real Kubernetes cluster in network namespaces, or the cluster of the current kubeconfig."""

from testbed.interface import Cluster, connect

__all__ = ["Cluster", "connect"]
