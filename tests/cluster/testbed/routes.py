"""Which node a load balancer's address leads to.

With externalTrafficPolicy Local only the nodes with a pod of the Service take its connections. Load balancers find them
by the Service's healthCheckNodePort, at which kube-proxy answers 200 where there is one:
https://kubernetes.io/docs/tasks/access-application-cluster/create-external-load-balancer/
"""

import http.client
import time
from collections.abc import Callable

from testbed.network import node_address
from testbed.paths import Instance
from testbed.shell import run

CHECK_SECONDS = 0.3
TIMEOUT_SECONDS = 1.0

Local = Callable[[], dict[str, int]]
"""The addresses of Services with that policy, each with its healthCheckNodePort."""


def takes_connections(node: int, port: int) -> bool:
    """Whether kube-proxy says so."""
    connection = http.client.HTTPConnection(node_address(node), port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Routes:
    """Keeps a route from the clients to a node that takes connections, for each address that not all of them take."""

    def __init__(
        self, instance: Instance, nodes: int, *, check: Callable[[int, int], bool] = takes_connections
    ) -> None:
        self._client = instance.namespace("client")
        self._nodes = nodes
        self._check = check
        self._chosen: dict[str, int] = {}

    def choose(self, local: dict[str, int]) -> dict[str, int]:
        """The node of each address. One that still takes connections stays; where none does, too."""
        return {address: self._node(address, port) for address, port in local.items()}

    def _node(self, address: str, port: int) -> int:
        before = self._chosen.get(address, 0)
        others = (node for node in range(self._nodes) if node != before)
        return next((node for node in (before, *others) if self._check(node, port)), before)

    def follow(self, local: Local) -> None:
        """Look again and again, for ever."""
        while True:
            chosen = self.choose(local())
            for address in self._chosen.keys() - chosen.keys():
                run(["ip", "-n", self._client, "route", "delete", f"{address}/32"], check=False)
            for address, node in chosen.items():
                if self._chosen.get(address) != node:
                    words = ["route", "replace", f"{address}/32", "via", node_address(node)]
                    run(["ip", "-n", self._client, *words], check=False)
            self._chosen = chosen
            time.sleep(CHECK_SECONDS)
