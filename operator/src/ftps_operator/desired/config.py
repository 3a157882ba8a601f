"""The files that the server reads: settings of its start, and the address that PASV announces."""

import hashlib

from ftps_operator.models.exposure import AUTO, ProxyProtocol, ServiceType
from ftps_operator.models.limits import Limits
from ftps_operator.models.quantity import whole
from ftps_operator.models.server import FtpsServer
from ftps_operator.models.tls import Tls
from ftps_operator.models.users import Bandwidth as WantedBandwidth
from ftps_operator.naming import Manifest, config_name, metadata
from ftps_server.config import (
    ADDRESS_FILE,
    EXPLICIT_PORT,
    IMPLICIT_PORT,
    SERVER_FILE,
    ActiveConfig,
    AddressConfig,
    AddressOverride,
    Announced,
    BanConfig,
    Bandwidth,
    ClientAuth,
    ClientAuthConfig,
    DataSessionReuse,
    LimitsConfig,
    ListenerConfig,
    PassiveConfig,
    ProxyProtocolConfig,
    ServerConfig,
    TlsConfig,
    TlsVersion,
    UserFrom,
)

HOST_IP_VARIABLE = "HOST_IP"
PRE_STOP_SECONDS = 3
"""A pod that ends waits so long before its SIGTERM, so that kube-proxy stops sending it new sessions first."""
_EXIT_SECONDS = 2


def build_server_config(server: FtpsServer) -> ServerConfig:
    """What the server is told at its start, and the limits, which it reloads."""
    spec = server.spec
    return ServerConfig(
        explicit=ListenerConfig(enabled=spec.explicit.enabled, port=EXPLICIT_PORT),
        implicit=ListenerConfig(enabled=spec.implicit.enabled, port=IMPLICIT_PORT),
        active=ActiveConfig(enabled=spec.active.enabled),
        passive=PassiveConfig(shared_ports=spec.passive.shared_ports),
        proxy_protocol=_proxy_protocol(spec.service.proxy_protocol),
        tls=_tls(spec.tls),
        limits=_limits(spec.limits),
        drain_seconds=spec.termination_grace_period_seconds - PRE_STOP_SECONDS - _EXIT_SECONDS,
    )


def _proxy_protocol(wanted: ProxyProtocol) -> ProxyProtocolConfig | None:
    if not wanted.enabled:
        return None
    return ProxyProtocolConfig.model_validate({"allowed_proxies": wanted.allowed_proxies})


def _tls(wanted: Tls) -> TlsConfig:
    return TlsConfig(
        min_version=TlsVersion(wanted.min_version.value),
        ciphers=":".join(wanted.ciphers) or None,
        client_auth=ClientAuthConfig(
            mode=ClientAuth(wanted.client_auth.mode.value), user_from=UserFrom(wanted.client_auth.user_from.value)
        ),
        data_session_reuse=DataSessionReuse(wanted.data_session_reuse.value),
    )


def _limits(wanted: Limits) -> LimitsConfig:
    ban = BanConfig(failures=wanted.ban_failures, seconds=wanted.ban_seconds) if wanted.ban_seconds else None
    return LimitsConfig(
        max_sessions=wanted.max_sessions,
        max_sessions_per_address=wanted.max_sessions_per_address,
        max_login_attempts=wanted.max_login_attempts,
        ban=ban,
        idle_timeout_seconds=wanted.idle_timeout_seconds,
        transfer_timeout_seconds=wanted.transfer_timeout_seconds,
        bandwidth=build_bandwidth(wanted.bandwidth),
    )


def build_bandwidth(wanted: WantedBandwidth | None) -> Bandwidth:
    """Quantities become numbers."""
    if wanted is None:
        return Bandwidth()
    upload, download = (rate if rate is None else whole(rate) for rate in (wanted.upload, wanted.download))
    return Bandwidth(upload=upload, download=download)


def build_address_config(server: FtpsServer, service: Manifest | None) -> AddressConfig:
    """What PASV announces, as far as the Service tells it by now."""
    passive = server.spec.passive
    return AddressConfig.model_validate(
        {
            "default": _announced(server, service),
            "overrides": [
                AddressOverride.model_validate({"cidrs": override.cidrs, "address": override.address})
                for override in passive.address_overrides
            ],
        }
    )


def _announced(server: FtpsServer, service: Manifest | None) -> Announced | None:
    if server.spec.passive.address != AUTO:
        return Announced(address=server.spec.passive.address)
    if server.spec.service.type is ServiceType.NODE_PORT:
        return Announced(environment=HOST_IP_VARIABLE)
    # PASV can tell an IPv4 address only (RFC 959); EPSV clients need none.
    address = next((address for address in service_addresses(server, service) if ":" not in address), None)
    return Announced(address=address) if address else None


def service_addresses(server: FtpsServer, service: Manifest | None) -> list[str]:
    """The addresses, or the host name, at which the Service is reached, what PASV can tell first.

    None for a NodePort (they are the nodes') and while there is none.
    """
    service = service or {}
    addresses: list[str] = []
    match server.spec.service.type:
        case ServiceType.LOAD_BALANCER:
            ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
            addresses = [*filter(None, (entry.get("ip") or entry.get("hostname") for entry in ingress))]
        case ServiceType.CLUSTER_IP:
            addresses = service.get("spec", {}).get("clusterIPs") or []
        case ServiceType.NODE_PORT:
            pass
    return sorted(addresses, key=lambda address: ":" in address)


def build_config_map(server: FtpsServer, address: AddressConfig) -> Manifest:
    """Build the ConfigMap with both files."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(server, config_name(server.metadata.name)),
        "data": {
            SERVER_FILE.name: _json(build_server_config(server)),
            ADDRESS_FILE.name: _json(address),
        },
    }


def _json(model: ServerConfig | AddressConfig) -> str:
    return model.model_dump_json(by_alias=True, exclude_none=True)


def digest(*texts: str) -> str:
    """A short, stable digest for an annotation."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
