"""The cert-manager Certificate."""

from typing import Any

from ftps_operator.models.server import FtpsServer
from ftps_operator.models.tls import CertManager, KeyAlgorithm
from ftps_operator.naming import Manifest, labels, metadata, tls_name


def build_certificate(server: FtpsServer, wanted: CertManager) -> Manifest:
    """Build the Certificate. Only labels reach the Secret that cert-manager makes of it."""
    name = tls_name(server.metadata.name)
    key = wanted.private_key
    spec: dict[str, Any] = {
        "secretName": name,
        "secretTemplate": {"labels": labels(server.metadata.name)},
        "issuerRef": wanted.issuer_ref.model_dump(by_alias=True),
        "privateKey": {
            "algorithm": key.algorithm.value,
            "size": int(key.size or (256 if key.algorithm is KeyAlgorithm.ECDSA else 2048)),
            "rotationPolicy": key.rotation_policy.value,
        },
        "usages": ["digital signature", "key encipherment", "server auth"],
    }
    if wanted.dns_names or not wanted.ip_addresses:
        spec["dnsNames"] = wanted.dns_names or service_names(server)
    if wanted.ip_addresses:
        spec["ipAddresses"] = wanted.ip_addresses
    if wanted.duration is not None:
        spec["duration"] = wanted.duration
    if wanted.renew_before is not None:
        spec["renewBefore"] = wanted.renew_before
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": metadata(server, name),
        "spec": spec,
    }


def service_names(server: FtpsServer) -> list[str]:
    """The names by which the Service is reached within the cluster."""
    name, namespace = server.metadata.name, server.metadata.namespace
    return [f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}"]
