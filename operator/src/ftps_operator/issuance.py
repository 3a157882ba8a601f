"""What cert-manager says of a server's Certificate."""

from typing import Any

from ftps_operator.naming import Manifest


def is_issued(certificate: Manifest) -> bool:
    """Whether the Secret holds what the Certificate asks for by now."""
    ready = _conditions(certificate).get("Ready", {})
    generation = certificate["metadata"].get("generation", 0)
    return bool(ready.get("status") == "True" and ready.get("observedGeneration", generation) >= generation)


def request_name(certificate: Manifest) -> str:
    """The CertificateRequest by which cert-manager asks the issuer, or will. Short names are not hashed."""
    revision = certificate.get("status", {}).get("revision", 0)
    return f"{certificate['metadata']['name']}-{revision + 1}"


def saying(certificate: Manifest, request: Manifest | None) -> str:
    """Why the certificate is not issued, as closely as cert-manager tells."""
    conditions = _conditions(certificate)
    issuing = conditions.get("Issuing", {})
    asked = _conditions(request).get("Ready", {}) if request else {}
    # A request that has failed is told of by the Certificate, with when it is tried again.
    failed = issuing if issuing.get("status") == "False" else {}
    told = (each.get("message") for each in (failed, asked, issuing, conditions.get("Ready", {})))
    return str(next(filter(None, told), "cert-manager has not looked at the Certificate yet"))


def _conditions(resource: Manifest) -> dict[str, Any]:
    return {each["type"]: each for each in resource.get("status", {}).get("conditions") or []}
