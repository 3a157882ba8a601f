"""cert-manager's controllers, as the test bed runs them, with as many Certificates."""

import time
from pathlib import Path

from bench.operator_bench.cluster import Api, Object, seconds_until
from support.prometheus import Scrape
from testbed.paths import Instance
from testbed.supervise import Supervisor

RESOURCES = ("certificates", "certificaterequests", "issuers")
ISSUER: Object = {
    "apiVersion": "cert-manager.io/v1",
    "kind": "Issuer",
    "metadata": {"name": "selfsigned"},
    "spec": {"selfSigned": {}},
}


def path(namespace: str, plural: str = "certificates") -> str:
    return f"/apis/cert-manager.io/v1/namespaces/{namespace}/{plural}"


def certificate(name: str) -> Object:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name},
        "spec": {
            "secretName": f"{name}-cert-manager",
            "dnsNames": [f"{name}.example.com"],
            "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
            "issuerRef": {"name": "selfsigned", "kind": "Issuer"},
        },
    }


def create(api: Api, namespace: str, count: int, *, limit: float) -> float:
    """Seconds from the first Certificate's creation until all are Ready."""
    api.create_all(path(namespace, "issuers"), [ISSUER])
    started = time.monotonic()
    api.create_all(path(namespace), (certificate(f"certificate-{number}") for number in range(count)))

    def is_made() -> bool:
        return all(_is_ready(each) for each in api.items(path(namespace)))

    return seconds_until(is_made, since=started, limit=limit)


def _is_ready(certificate: Object) -> bool:
    conditions = certificate.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def requests(scrape: Scrape) -> float:
    """What the API server was asked about cert-manager's kinds and Secrets, which nobody else asks much about."""
    return sum(
        scrape.sum("apiserver_request_total", resource=resource)
        - scrape.sum("apiserver_request_total", resource=resource, verb="WATCH")
        for resource in (*RESOURCES, "secrets")
    )


def memory(instance: Instance) -> float:
    """MiB that the controllers hold."""
    process = next(each for each in Supervisor(instance).processes() if each.name == "cert-manager")
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)["VmRSS"].split()[0]) / 1024
