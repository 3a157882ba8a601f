"""Gets the clients, once: Debian's packages, and what npm and Maven fetch by the versions that are pinned here.

`python -m clients.toolchain` does it ahead of the tests, which may run where no registry is reached.
"""

import functools
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

from testbed import packages
from testbed.errors import TestbedError
from testbed.locks import exclusive
from testbed.paths import CACHE
from testbed.progress import step, warn
from testbed.shell import run_logged

SOURCES = Path(__file__).parent
NODE = ("client.mjs", "package.json", "package-lock.json")
JAVA = ("Client.java", "pom.xml")
# What must be there, and the package that has it.
PROGRAMS = {
    "curl": "curl",
    "lftp": "lftp",
    "node": "nodejs",
    "npm": "npm",
    "javac": "default-jdk-headless",
    "mvn": "maven",
}
LOG = CACHE / "logs" / "clients.log"


def key() -> str:
    """Differs whenever the clients could."""
    digest = hashlib.sha256()
    for path in (*(Path("node", name) for name in NODE), *(Path("java", name) for name in JAVA)):
        digest.update(str(path).encode() + b"\0" + (SOURCES / path).read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def ensure_clients() -> Path:
    """The folder with the clients that are not programs of their own, made where it is not in the cache."""
    packages.ensure(PROGRAMS)
    folder = CACHE / f"clients-{key()}"
    with exclusive(CACHE / "clients", "getting the clients"):
        if not folder.exists():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    for name in ("node", "java"):
        shutil.copytree(SOURCES / name, part / name, ignore=shutil.ignore_patterns("node_modules", "target"))
    LOG.unlink(missing_ok=True)
    with step("Fetching basic-ftp", LOG):
        run_logged(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], LOG, cwd=part / "node")
    with step("Fetching commons-net", LOG):
        repository = part / "repository"
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={part / 'java'}"]
        run_logged(["mvn", "--batch-mode", f"-Dmaven.repo.local={repository}", *goal], LOG, cwd=part / "java")
        shutil.rmtree(repository)
        run_logged(["javac", "-cp", "*", "Client.java"], LOG, cwd=part / "java")
    part.rename(folder)


def basic_ftp_version() -> str:
    """The one that is pinned."""
    return str(json.loads((SOURCES / "node/package.json").read_text())["dependencies"]["basic-ftp"])


def commons_net_version() -> str:
    """The one that is pinned."""
    text = (SOURCES / "java/pom.xml").read_text()
    return re.findall(r"<artifactId>commons-net</artifactId>\s*<version>(.+?)</version>", text)[0]


def main() -> int:
    """Get them. Every failure that a person can do something about is one sentence."""
    try:
        ensure_clients()
    except TestbedError as error:
        warn(f"clients: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
