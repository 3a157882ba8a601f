"""Debian's FTP servers, unpacked and not installed.

Their packages conflict with one another, and an installed one starts as a service.
"""

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError
from testbed.locks import exclusive
from testbed.paths import CACHE
from testbed.progress import step
from testbed.shell import run, run_logged

SERVERS = ("vsftpd", "proftpd-mod-crypto", "pure-ftpd")
# What runs and measures them, and the package that has it.
TOOLS = {
    "curl": "curl",
    "openssl": "openssl",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "taskset": "util-linux",
}
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
_LOG = CACHE / "logs" / "peers.log"


@dataclass(frozen=True, slots=True)
class Programs:
    """A tree with the programs, their libraries and modules."""

    root: Path

    def file(self, path: str) -> Path:
        return self.root / path

    def libraries(self) -> Path:
        return next(self.root.glob("usr/lib/*-linux-gnu*"))

    def versions(self) -> list[str]:
        return (self.root / "versions").read_text().split()


def ensure() -> Programs:
    """Have the programs; the first time they are downloaded."""
    missing = sorted({package for program, package in TOOLS.items() if shutil.which(program) is None})
    root = CACHE / f"peers-{platform.machine()}"
    with exclusive(CACHE, "fetching the other servers"):
        if missing or not root.exists():
            if shutil.which("apt-get") is None:
                raise TestbedError("the other servers are Debian's packages, and this is no Debian to get them from")
            with step("Fetching Debian's FTP servers", _LOG):
                run_logged(["apt-get", "update"], _LOG, environment=_QUIET)
                if missing:
                    run_logged(["apt-get", "install", "-y", *missing], _LOG, environment=_QUIET)
                if not root.exists():
                    _fetch(root)
    return Programs(root)


def _fetch(root: Path) -> None:
    part = root.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    archives = part / "archives"
    (archives / "partial").mkdir(parents=True)
    for package in SERVERS:
        # One by one: apt would not take them together.
        download = ["apt-get", "install", "-y", "--no-install-recommends", "--reinstall", "--download-only"]
        run_logged([*download, "-o", f"Dir::Cache::archives={archives}", package], _LOG, environment=_QUIET)
    found = sorted(archives.glob("*.deb"))
    for archive in found:
        run(["dpkg-deb", "--extract", str(archive), str(part)])
    (part / "versions").write_text("\n".join("_".join(archive.name.split("_")[:2]) for archive in found))
    shutil.rmtree(archives)
    part.rename(root)
