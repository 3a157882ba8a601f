"""The command line: `python -m bench.server_bench`. See docs/benchmarks.md."""

import argparse
import datetime
import json
import os
import platform
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.server_bench import debian, machine, plot, report
from bench.server_bench.measurements import MEASUREMENTS, QUICK, Sizes
from bench.server_bench.ours import Ours, Stock
from bench.server_bench.peers import Proftpd, PureFtpd, Server, Vsftpd
from bench.server_bench.results import Raw, collect
from bench.server_bench.runner import Runner
from bench.server_bench.scene import prepared
from testbed import images, packages
from testbed.errors import TestbedError
from testbed.locks import exclusive
from testbed.paths import CACHE, CHECKOUT
from testbed.progress import warn
from testbed.shell import run

RESULTS = CHECKOUT / "build" / "bench"
RAW_FILE = "server.jsonl"
SERVERS = ("ours", "vsftpd", "proftpd", "pure-ftpd", "pyftpdlib")


def main() -> int:
    """Measure, or only show anew what was measured."""
    arguments = _arguments()
    # It cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if not arguments.report:
            # Two at once would measure each other.
            with exclusive(CACHE / "bench", "measuring"):
                _measure(arguments)
        facts, *raws = _load(arguments.output / RAW_FILE)
    except TestbedError as error:
        warn(str(error))
        return 1
    except KeyboardInterrupt:
        warn("interrupted; what was measured so far: --report")
        return 130
    results = collect(raws)
    (arguments.output / "server.json").write_text(json.dumps([result.as_json() for result in results], indent=1) + "\n")
    plot.draw(results, arguments.output / "server.png")
    print(f"\n{report.table(results)}\n\nIn {arguments.output}: server.jsonl (raw runs), server.json, server.png")
    if facts["facts"]["quick"] or facts["facts"]["disturbed"]:
        warn(f"Not to be compared with other figures: {facts['facts']['disturbed'] or 'these are of --quick'}.")
    return 1 if any("error" in raw for raw in raws) else 0


def _arguments() -> argparse.Namespace:
    names = [measurement.name for measurement in MEASUREMENTS]
    parser = argparse.ArgumentParser(prog="bench.server_bench", description="Compare FTPS servers.")
    parser.add_argument("--runs", type=int, default=3, help="how often everything is measured (3)")
    parser.add_argument("--rows", type=_some_of(names), default=names, help=f"some of {','.join(names)}")
    parser.add_argument("--servers", type=_some_of(SERVERS), default=SERVERS, help=f"some of {','.join(SERVERS)}")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, one run: to try the benchmark, not to compare"
    )
    parser.add_argument(
        "--peers", choices=debian.RELEASES, default=debian.RELEASES[0], help="whose packages the other servers are"
    )
    parser.add_argument("--ours-source", type=Path, default=CHECKOUT, help="another checkout to measure as `ours`")
    parser.add_argument("--output", type=Path, help="where results go (build/bench; build/bench/quick with --quick)")
    parser.add_argument("--report", action="store_true", help="measure nothing; report on the last run's raw file")
    arguments = parser.parse_args()
    arguments.output = arguments.output or (RESULTS / "quick" if arguments.quick else RESULTS)
    return arguments


def _some_of(names: Sequence[str]):
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in names]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(names)}")
        return [name for name in names if name in chosen]

    return parse


def _measure(arguments: argparse.Namespace) -> None:
    if os.geteuid() != 0:
        raise TestbedError("run it as root: the other servers change to their users' ids, and get namespaces")
    packages.ensure()
    programs, root = debian.ensure(arguments.peers), images.unpacked("ftps-server")
    sizes = QUICK if arguments.quick else Sizes()
    cpus = machine.Cpus.take()
    machine.allow_descriptors()
    if disturbed := machine.disturbance(cpus):
        warn(f"{disturbed}: the figures will be worth little.")
    every: dict[str, Server] = {
        "ours": Ours(root, arguments.ours_source.resolve()),
        "vsftpd": Vsftpd(programs),
        "proftpd": Proftpd(programs),
        "pure-ftpd": PureFtpd(programs),
        "pyftpdlib": Stock(),
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (
        (arguments.output / RAW_FILE).open("w") as raw,
        prepared(big_mib=sizes.big_mib, medium_mib=sizes.medium_mib) as scene,
    ):
        facts = _facts(arguments, programs.versions()) | {"disturbed": disturbed, "image": _inside(root)}
        raw.write(json.dumps({"facts": facts}) + "\n")
        Runner(scene, cpus, sizes, raw).run(
            [every[name] for name in arguments.servers],
            [measurement for measurement in MEASUREMENTS if measurement.name in arguments.rows],
            runs=1 if arguments.quick else arguments.runs,
        )


def _facts(arguments: argparse.Namespace, versions: list[str]) -> Raw:
    """What the figures depend on."""
    commit = run(["git", "-C", str(arguments.ours_source), "describe", "--always", "--dirty"], check=False)
    known = dict(line.split("\t: ", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if "\t: " in line)
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "quick": arguments.quick,
        "ours": commit.stdout.strip(),
        "processor": known.get("model name", platform.machine()),
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "packages": versions,
    }


def _inside(image: Path) -> str:
    tell = "import platform, ssl; print(f'Python {platform.python_version()}, {ssl.OPENSSL_VERSION}')"
    return run(["chroot", str(image), "/opt/ftps-server/bin/python", "-c", tell]).stdout.strip()


def _load(file: Path) -> list[Raw]:
    """What the run's machine was, and its runs."""
    if not file.exists():
        raise TestbedError(f"{file} is not there: nothing was measured yet")
    return [json.loads(line) for line in file.read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
