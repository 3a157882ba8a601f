"""The test bed's command line: `python -m testbed up | down | status | demo | test`."""

import argparse
import os
import subprocess
import sys

from testbed import images, packages
from testbed.embedded import Embedded
from testbed.errors import TestbedError
from testbed.interface import connect
from testbed.paths import CHECKOUT, Instance
from testbed.progress import say, warn

TEST_NODES = 2
"""Pods move to another when one is drained."""


def main() -> int:
    """Run one command. Every failure that a person can do something about is one sentence."""
    parser = argparse.ArgumentParser(prog="testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the embedded cluster")
    up.add_argument("--nodes", type=int, default=1)
    commands.add_parser("down", help="stop it; leaves nothing behind")
    commands.add_parser("status", help="say what runs")
    commands.add_parser("demo", help="serve a file over FTPS")
    commands.add_parser("test", help="run every test; whatever follows is for pytest")
    commands.add_parser("run", help="run the program that follows where clients are, images at hand")
    arguments, rest = parser.parse_known_args()
    if rest and arguments.command not in ("test", "run"):
        parser.error(f"unknown: {' '.join(rest)}")
    try:
        return _run(arguments, rest)
    except TestbedError as error:
        warn(f"testbed: {error}")
        return 1
    except KeyboardInterrupt:
        warn("testbed: interrupted; run it again to go on, or `make down` to remove what there is")
        return 130


def _run(arguments: argparse.Namespace, rest: list[str]) -> int:
    embedded = Embedded(Instance.current())
    match arguments.command:
        case "up":
            embedded.up(nodes=arguments.nodes)
        case "down":
            embedded.down()
            say("Nothing is left.")
        case "status":
            for process in embedded.supervisor.processes():
                print(f"{process.name}\t{process.pid}\t{'running' if process.is_alive() else 'dead'}")
        case "demo":
            from testbed.demo import run_demo

            run_demo(connect())
        case "test":
            _fetch_for_tests()
            return _run_inside([sys.executable, "-m", "pytest", *rest], nodes=TEST_NODES)
        case "run":
            return _run_inside(rest)
    return 0


def _fetch_for_tests() -> None:
    """What the tests need of registries, none of which is reached from where they run."""
    packages.ensure(packages.FOR_TESTS)
    for module in ("testbed.simulator", "clients.toolchain", "pyftpdlib_suite.sdist"):
        done = subprocess.run([sys.executable, "-m", module], cwd=CHECKOUT / "tests", check=False)
        if done.returncode:
            raise TestbedError(f"cannot get what the tests need: {module} has failed")


def _run_inside(words: list[str], *, nodes: int = 1) -> int:
    """Run a program where the clients are: its own connections come from there, too."""
    cluster = connect(nodes=nodes)
    # Before: no registry is reached from there.
    for name in images.PROJECT:
        cluster.image(name)
    argv = cluster.client_argv(words)
    os.execvp(argv[0], argv)  # noqa: S606 - its last line is ours, its exit code, too


if __name__ == "__main__":
    sys.exit(main())
