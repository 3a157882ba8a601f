"""This project's server as it is in production, and pyftpdlib's own."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.server_bench import passwords
from bench.server_bench.peers import MANY, PORTS, Recipe, Wish
from bench.server_bench.scene import HOST, Scene

_PYTHON, _SOURCE = "/opt/ftps-server/bin/python", "/src"


@dataclass(frozen=True, slots=True)
class Ours:
    """The image, with everything on: audit log, metrics, virtual user, quotas, the check of every data connection."""

    root: Path
    """The image, unpacked: its Python and its OpenSSL are what is deployed."""
    source: Path
    """A checkout."""
    name: str = "ours"

    def recipe(self, scene: Scene, wish: Wish) -> Recipe:
        place = scene.place(self.name)
        storage = place / "storage"
        scene.furnish(storage / passwords.NAME)
        for folder in ("config", "users", "tls"):
            (place / folder).mkdir()
        implicit, admin, *passive = range(wish.port + 1, wish.port + PORTS)
        server = {
            "explicit": {"port": wish.port},
            "implicit": {"port": implicit},
            "adminPort": admin,
            "storageDirectory": str(storage),
            "tls": {"dataSessionReuse": "Required" if wish.resume else "Off"},
            "limits": {"idleTimeoutSeconds": MANY},
        }
        user = {
            "name": passwords.NAME,
            "passwordHash": passwords.hashed(),
            "homeDirectory": f"/{passwords.NAME}",
            "quota": {"bytes": 1 << 40, "files": MANY},
        }
        (place / "config/server.json").write_text(json.dumps(server))
        (place / "config/address.json").write_text(json.dumps({"default": {"address": HOST}}))
        (place / "users/users.json").write_text(json.dumps({"users": [user]}))
        (place / "tls/tls.crt").write_bytes(scene.certificate(wish.certificate).read_bytes())
        (place / "tls/tls.key").write_bytes(scene.key(wish.certificate).read_bytes())
        argv = [_PYTHON, "-m", "ftps_server", "--config-directory", str(place)]
        return Recipe(
            argv=[*argv, "--passive-ports", f"{passive[0]}-{passive[-1]}"],
            home=storage / passwords.NAME,
            binds={self.source / "server-image" / "src": _SOURCE},
            environment={"PYTHONPATH": _SOURCE},
            root=self.root,
        )


@dataclass(frozen=True, slots=True)
class Stock:
    """pyftpdlib's FTPServer with its TLS_FTPHandler."""

    name: str = "pyftpdlib"

    def recipe(self, scene: Scene, wish: Wish) -> Recipe:
        home = scene.place(self.name) / "home"
        scene.furnish(home)
        arguments = [str(wish.port), str(scene.both(wish.certificate)), str(home)]
        return Recipe(argv=[sys.executable, "-m", "bench.server_bench.stock", *arguments], home=home)
