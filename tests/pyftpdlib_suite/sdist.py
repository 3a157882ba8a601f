"""Fetches pyftpdlib's own tests, once. They come with its source distribution, and are no part of this project.

`python -m pyftpdlib_suite.sdist` does it ahead of the tests, which may run where no registry is reached.
"""

import sys
import tarfile
import tempfile
from pathlib import Path

from testbed.errors import TestbedError
from testbed.locks import exclusive
from testbed.paths import CACHE
from testbed.progress import step, warn
from testbed.shell import run_logged

VERSION = "2.2.0"
SHA256 = "4ba0642078792df63dd3b2e9c8f838f2a3ecf428c7518d5921c0530d53512acf"
NAME = f"pyftpdlib-{VERSION}"
LOG = CACHE / "logs" / "pyftpdlib.log"


def ensure() -> Path:
    """The folder with the tests, fetched where it is not in the cache. Raises TestbedError."""
    tests = CACHE / f"{NAME}-{SHA256[:16]}"
    with exclusive(CACHE / "pyftpdlib", "fetching pyftpdlib's tests"):
        if not tests.exists():
            _fetch(tests)
    return tests


def _fetch(tests: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    with (
        step("Fetching pyftpdlib's tests", LOG),
        tempfile.TemporaryDirectory(dir=tests.parent, prefix="pyftpdlib-") as folder,
    ):
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"pyftpdlib=={VERSION} --hash=sha256:{SHA256}\n")
        run_logged([*pip, "--no-binary=pyftpdlib", f"--dest={folder}", f"--requirement={requirements}"], LOG)
        with tarfile.open(Path(folder, f"{NAME}.tar.gz")) as archive:
            archive.extractall(folder, filter="data")
        Path(folder, NAME, "tests").rename(tests)


def main() -> int:
    """Fetch them. Every failure that a person can do something about is one sentence."""
    try:
        ensure()
    except TestbedError as error:
        warn(f"pyftpdlib_suite: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
