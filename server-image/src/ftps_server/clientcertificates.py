"""What a client certificate says of who shows it."""

from collections.abc import Iterable, Mapping
from typing import Any

from ftps_server.config import UserFrom

_SAN_KINDS = {UserFrom.EMAIL_SAN: "email", UserFrom.URI_SAN: "URI"}


def certificate_name(certificate: Mapping[str, Any], source: UserFrom) -> str | None:
    """The name in a verified certificate, as `ssl.SSLSocket.getpeercert` gives it; None where it has none, or two."""
    names = set(_names(certificate, source))
    return names.pop() if len(names) == 1 else None


def _names(certificate: Mapping[str, Any], source: UserFrom) -> Iterable[str]:
    if source is UserFrom.COMMON_NAME:
        for relative in certificate.get("subject", ()):
            for kind, value in relative:
                if kind == "commonName":
                    yield value
    else:
        for kind, value in certificate.get("subjectAltName", ()):
            if kind == _SAN_KINDS[source]:
                yield value
