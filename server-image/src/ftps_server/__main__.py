"""The process's first steps.

As PID 1 a process without a handler ignores a signal (signal(7), pid_namespaces(7)), and to import the rest takes a
while: a pod that is deleted in its first second would stay until its grace period is over.
"""

import signal
import sys

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Run the command line. From now on SIGTERM and SIGINT end the process."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))
    from ftps_server.cli import run  # noqa: PLC0415 - after the handlers

    return run(SIGNALS)


if __name__ == "__main__":
    sys.exit(main())
