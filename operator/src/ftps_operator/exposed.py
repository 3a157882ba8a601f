"""Where clients reach a server: address, endpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ftps_operator.desired.config import service_addresses
from ftps_operator.desired.loadbalancers import remark
from ftps_operator.models.exposure import AUTO, ServiceType
from ftps_operator.models.server import FtpsServer
from ftps_operator.naming import Manifest
from ftps_operator.observed import Observed
from ftps_operator.ports import EXPLICIT_NAME, IMPLICIT_NAME


@dataclass(frozen=True, slots=True)
class Exposure:
    """Address and endpoints, as far as they are known."""

    address: str | None = None
    endpoints: tuple[dict[str, Any], ...] = ()
    waiting_for: str = ""
    """What there is no address without."""
    remark: str = ""
    """What a person should know of it."""


def expose(server: FtpsServer, observed: Observed) -> Exposure:
    """Find out where clients reach the server."""
    service = observed.service(server)
    addresses = _addresses(server, observed, service)
    if service is None or not addresses:
        return Exposure(waiting_for=_WAITING_FOR[server.spec.service.type])
    return Exposure(
        address=addresses[0],
        endpoints=tuple(_endpoints(server, service, addresses)),
        remark=remark(server),
    )


_WAITING_FOR = {
    ServiceType.LOAD_BALANCER: "the load balancer has not assigned an address yet",
    ServiceType.NODE_PORT: "no pod runs on a node yet",
    ServiceType.CLUSTER_IP: "the Service has no cluster IP yet",
}


def _addresses(server: FtpsServer, observed: Observed, service: Manifest | None) -> list[str]:
    if server.spec.passive.address != AUTO:
        return [server.spec.passive.address]
    if server.spec.service.type is ServiceType.NODE_PORT:
        return _node_addresses(observed, service)
    return service_addresses(server, service)


def _node_addresses(observed: Observed, service: Manifest | None) -> list[str]:
    """Those of the first pod's node, of the families that the Service has."""
    families = (service or {}).get("spec", {}).get("ipFamilies") or []
    statuses: Iterator[dict[str, Any]] = (pod.get("status", {}) for pod in observed.pods)
    hosts = next((status["hostIPs"] for status in statuses if status.get("hostIPs")), ())
    addresses = [host["ip"] for host in hosts]
    return [address for address in addresses if ("IPv6" if ":" in address else "IPv4") in families]


def _endpoints(server: FtpsServer, service: Manifest, addresses: list[str]) -> list[dict[str, Any]]:
    number = "nodePort" if server.spec.service.type is ServiceType.NODE_PORT else "port"
    ports = {port["name"]: port.get(number) for port in service["spec"]["ports"]}
    hosts = [f"[{address}]" if ":" in address else address for address in addresses]
    modes = (("Explicit", EXPLICIT_NAME, "ftp"), ("Implicit", IMPLICIT_NAME, "ftps"))
    return [
        {"mode": mode, "port": ports[name], "url": f"{scheme}://{host}:{ports[name]}"}
        for host in hosts
        for mode, name, scheme in modes
        if ports.get(name)
    ]
