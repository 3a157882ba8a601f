"""The command line: a server of a directory, of one file or of nothing at all, and help for those who set it up."""

import argparse
import ctypes
import getpass
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from ftps_server import logs
from ftps_server.config import CONFIG_DIRECTORY, ConfigError, PassivePorts
from ftps_server.dev import Ports, development
from ftps_server.server import Server
from ftps_server.sources import DirectorySources, Sources
from ftps_server.standalone import TomlSources, hash_password
from ftps_server.tls import load_identity

CANNOT_LISTEN = 1
BAD_CONFIGURATION = 2
Signals = tuple[signal.Signals, ...]
# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MAPPED_BYTES = 4 << 20
HASH_PASSWORD = "hash-password"  # noqa: S105 - a command's name


def run(signals: Signals) -> int:
    """Serve until one of these signals. A configuration that cannot be used ends the start with exit code 2."""
    arguments = _parse()
    if arguments.command == HASH_PASSWORD:
        return _hash_password()
    try:
        if arguments.dev is not None:
            with development(arguments.dev, arguments.first_port) as made:
                # A terminal that is closed: what was made up is removed then, too.
                signal.signal(signal.SIGHUP, lambda *_: sys.exit(0))
                return _serve(made.sources, signals=(*signals, signal.SIGHUP), greeting=made.greeting())
        sources = _sources(arguments)
        return _check(sources) if arguments.check else _serve(sources, signals=signals)
    except ConfigError as error:
        return _fail(BAD_CONFIGURATION, str(error))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ftps-server", description="An FTPS server, explicit and implicit.")
    parser.add_argument("command", nargs="?", choices=[HASH_PASSWORD], help="print the hash of a password")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--config", type=Path, metavar="FILE", help="serve as a TOML file says")
    kind.add_argument(
        "--dev",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="DIRECTORY",
        help="serve a directory (the current one) to this machine alone, with settings made up",
    )
    kind.add_argument(
        "--config-directory",
        type=Path,
        default=CONFIG_DIRECTORY,
        metavar="DIRECTORY",
        help="serve as the operator's files say (%(default)s)",
    )
    parser.add_argument("--passive-ports", metavar="FIRST-LAST", help="for --config-directory")
    parser.add_argument(
        "--first-port", type=_ports, default=Ports(), metavar="PORT", help="for --dev: take the ports from this one on"
    )
    parser.add_argument("--check", action="store_true", help="do not serve, say whether the configuration is good")
    arguments = parser.parse_args()
    if [arguments.command, arguments.config, arguments.dev, arguments.passive_ports].count(None) != 3:
        parser.error(f"one of --config, --dev, --passive-ports and {HASH_PASSWORD} is needed")
    return arguments


def _ports(text: str) -> Ports:
    try:
        return Ports.starting_at(int(text))
    except ValueError:
        raise argparse.ArgumentTypeError("expected a port, with room for others above it") from None


def _sources(arguments: argparse.Namespace) -> Sources:
    if arguments.config is not None:
        return TomlSources(arguments.config)
    return DirectorySources(arguments.config_directory, PassivePorts.parse(arguments.passive_ports))


def _check(sources: Sources) -> int:
    """Read what a start reads."""
    load_identity(sources.files, sources.server().tls).close()
    sources.addresses()
    sources.users()
    print(f"ftps-server: {sources.files.server}: the configuration is good")
    return 0


def _serve(sources: Sources, *, signals: Signals, greeting: str = "") -> int:
    logs.configure()
    _allow_descriptors()
    _give_memory_back()
    try:
        server = Server(sources)
    except OSError as error:
        return _fail(CANNOT_LISTEN, f"cannot listen: {error}")
    for number in signals:
        signal.signal(number, lambda received, _: server.stop(signal.Signals(received).name))
    # Not where the events go: it holds a password.
    print(greeting, end="", file=sys.stderr, flush=True)
    server.run()
    return 0


def _hash_password() -> int:
    """Ask at a terminal, otherwise read a line: passwords on a command line are seen by everybody."""
    try:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
        if sys.stdin.isatty() and password != getpass.getpass("Again: "):
            return _fail(BAD_CONFIGURATION, "the passwords differ")
    except (EOFError, KeyboardInterrupt, UnicodeDecodeError):
        password = ""
    if not password:
        return _fail(BAD_CONFIGURATION, "no password in UTF-8")
    print(hash_password(password))
    return 0


def _fail(code: int, sentence: str) -> int:
    print(f"ftps-server: {sentence}", file=sys.stderr)
    return code


def _allow_descriptors() -> None:
    """Have as many files and connections as may be: container runtimes start with 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _give_memory_back() -> None:
    """Have glibc's malloc keep little of what is freed.

    Two arenas: one for each thread, as it would, keeps what others have freed, 40 MiB an hour. And what a password's
    check takes (19 MiB and more, by the hash) is mapped for it alone: after the first it would come from an arena.
    """
    with suppress(AttributeError):  # another libc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _MAPPED_BYTES)
