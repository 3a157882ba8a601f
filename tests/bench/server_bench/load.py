"""Downloads without end, in a process of its own: `python -m bench.server_bench.load PORT SESSIONS`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench.server_bench import bulk
from bench.server_bench.clients import Session, tls_context
from bench.server_bench.scene import BIG

_ENDLESS = 1_000_000
_SETTLED_SECONDS = 0.5


class LoadError(Exception):
    """The load did not last."""


@contextmanager
def running(port: int, *, sessions: int, size: int) -> Iterator[None]:
    """Have so many sessions download the big file, of this size, while the block runs."""
    argv = [sys.executable, "-m", __name__, str(port), str(sessions), str(size)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            # Its first line says that all sessions are logged in.
            process.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SETTLED_SECONDS)
            yield
            if process.poll() is not None:
                raise LoadError(process.stderr.read().decode().strip())
        finally:
            process.kill()


def main() -> int:
    """Download until killed."""
    port, count, size = map(int, sys.argv[1:])
    context = tls_context()
    sessions = [Session(port, context).protect() for _ in range(count)]
    print("ready", flush=True)
    bulk.download(sessions, BIG, size=size, times=_ENDLESS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
