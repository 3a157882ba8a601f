"""A Secret as the operator reads it: decoded, and never printed."""

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class SecretView:
    """Content and version of one Secret."""

    name: str
    version: str
    """Differs whenever the content does, also after the Secret was deleted and made anew."""
    uid: str
    resource_version: str
    data: dict[str, bytes] = field(repr=False)
    annotations: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Self:
        """Read what the API server answered."""
        meta = manifest["metadata"]
        version = meta.get("resourceVersion", "")  # a dry run makes objects that have none
        return cls(
            name=meta["name"],
            uid=meta["uid"],
            version=f"{meta['uid']}/{version}",
            resource_version=version,
            data={key: b64decode(value) for key, value in (manifest.get("data") or {}).items()},
            annotations=meta.get("annotations") or {},
        )
