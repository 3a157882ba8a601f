"""Kubeconfigs. Apart from the certificates, so that who stops a cluster needs no package for these."""

import base64
import json
from pathlib import Path


def write_kubeconfig(path: Path, server: str, ca: bytes, *, user: dict[str, str]) -> None:
    """Write a kubeconfig (JSON is YAML); `user` has a kubeconfig user's own fields."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "testbed",
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()},
            }
        ],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "user"}}],
        "current-context": "testbed",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1))
