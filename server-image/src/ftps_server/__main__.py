"""The command line: `ftps-server --passive-ports FIRST-LAST`."""

import argparse
import resource
import signal
import sys
from pathlib import Path

from ftps_server import logs
from ftps_server.config import CONFIG_DIRECTORY, ConfigError, PassivePorts
from ftps_server.server import Server

BAD_CONFIGURATION = 2


def main() -> int:
    """Serve until a signal. A configuration that cannot be used ends the start with exit code 2."""
    parser = argparse.ArgumentParser(prog="ftps-server", description="An FTPS server, explicit and implicit.")
    parser.add_argument("--config-directory", type=Path, default=CONFIG_DIRECTORY)
    parser.add_argument("--passive-ports", required=True, metavar="FIRST-LAST")
    arguments = parser.parse_args()
    logs.configure()
    _allow_descriptors()
    try:
        server = Server(arguments.config_directory, PassivePorts.parse(arguments.passive_ports))
    except ConfigError as error:
        print(f"ftps-server: {error}", file=sys.stderr)
        return BAD_CONFIGURATION
    except OSError as error:
        print(f"ftps-server: cannot listen: {error}", file=sys.stderr)
        return 1
    # As PID 1 a process without a handler ignores the signal (signal(7), pid_namespaces(7)).
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: server.stop(signal.Signals(received).name))
    server.run()
    return 0


def _allow_descriptors() -> None:
    """Have as many files and connections as may be: container runtimes start with 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
