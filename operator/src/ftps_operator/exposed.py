"""Where clients reach a server: address, endpoints."""

from dataclasses import dataclass
from typing import Any

from ftps_operator.desired.config import service_address
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


def expose(server: FtpsServer, observed: Observed) -> Exposure:
    """Find out where clients reach the server."""
    service = observed.service(server)
    address = _address(server, observed, service)
    if service is None or address is None:
        return Exposure(waiting_for=_WAITING_FOR[server.spec.service.type])
    return Exposure(address=address, endpoints=tuple(_endpoints(server, service, address)))


_WAITING_FOR = {
    ServiceType.LOAD_BALANCER: "the load balancer has not assigned an address yet",
    ServiceType.NODE_PORT: "no pod runs on a node yet",
    ServiceType.CLUSTER_IP: "the Service has no cluster IP yet",
}


def _address(server: FtpsServer, observed: Observed, service: Manifest | None) -> str | None:
    if server.spec.passive.address != AUTO:
        return server.spec.passive.address
    if server.spec.service.type is ServiceType.NODE_PORT:
        hosts = (pod.get("status", {}).get("hostIP") for pod in observed.pods)
        return next(filter(None, hosts), None)
    return service_address(server, service)


def _endpoints(server: FtpsServer, service: Manifest, address: str) -> list[dict[str, Any]]:
    number = "nodePort" if server.spec.service.type is ServiceType.NODE_PORT else "port"
    ports = {port["name"]: port.get(number) for port in service["spec"]["ports"]}
    host = f"[{address}]" if ":" in address else address
    modes = (("Explicit", EXPLICIT_NAME, "ftp"), ("Implicit", IMPLICIT_NAME, "ftps"))
    return [
        {"mode": mode, "port": ports[name], "url": f"{scheme}://{host}:{ports[name]}"}
        for mode, name, scheme in modes
        if ports.get(name)
    ]
