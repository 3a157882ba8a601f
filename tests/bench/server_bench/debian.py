"""Debian's FTP servers, each in a tree of files of its own, not installed.

Their packages conflict with one another, and an installed one starts as a service.
"""

import gzip
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import TestbedError
from testbed.locks import exclusive
from testbed.paths import CACHE
from testbed.progress import step
from testbed.shell import run_logged

RELEASES = ("bookworm", "trixie")
"""The first is what the machine is, and the default; the second is the images' own."""
# The program, and the package that has it.
SERVERS = {"vsftpd": "vsftpd", "proftpd": "proftpd-mod-crypto", "pure-ftpd": "pure-ftpd"}
# What runs and measures them, and the package that has it.
TOOLS = {
    "curl": "curl",
    "openssl": "openssl",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "taskset": "util-linux",
    "mmdebstrap": "mmdebstrap",
}
_LIBRARY = "libssl3*"
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}
_LOG = CACHE / "logs" / "peers.log"


@dataclass(frozen=True, slots=True)
class Programs:
    """Below one directory, for each server the tree that it runs in."""

    folder: Path

    def root(self, server: str) -> Path:
        return self.folder / server

    def versions(self) -> list[str]:
        """Of the servers, and of the OpenSSL that they have."""
        found = [_changelog(self.root(server), package) for server, package in SERVERS.items()]
        return [*found, _changelog(self.root("vsftpd"), _LIBRARY)]


def ensure(release: str) -> Programs:
    """Have a Debian release's servers; the first time they are downloaded."""
    missing = sorted({package for program, package in TOOLS.items() if shutil.which(program) is None})
    folder = CACHE / f"peers-{release}-{platform.machine()}"
    with exclusive(CACHE, "fetching the other servers"):
        if missing:
            if shutil.which("apt-get") is None:
                raise TestbedError(f"these are missing, and this is no Debian to install them on: {', '.join(missing)}")
            with step(f"Installing Debian packages: {', '.join(missing)}", _LOG):
                run_logged(["apt-get", "update"], _LOG)
                run_logged(["apt-get", "install", "-y", *missing], _LOG, environment=_QUIET)
        if not folder.exists():
            with step(f"Fetching the FTP servers of Debian's {release}", _LOG):
                _fetch(release, folder)
    return Programs(folder)


def _fetch(release: str, folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for server, package in SERVERS.items():
        root = part / server
        words = ["--variant=extract", "--mode=root", '--aptopt=APT::Install-Recommends "false"', f"--include={package}"]
        run_logged(["mmdebstrap", *words, release, str(root)], _LOG)
        # Since trixie the loader is in /usr alone, and the links to it are made where packages are installed.
        for name in ("lib", "lib64"):
            if not (root / name).exists() and (root / "usr" / name).exists():
                (root / name).symlink_to(f"usr/{name}")
    part.rename(folder)


def _changelog(root: Path, package: str) -> str:
    """A package's name and version."""
    file = next(root.glob(f"usr/share/doc/{package}/changelog.Debian.gz"))
    with gzip.open(file, "rt") as text:
        return " ".join(text.readline().split()[:2])
