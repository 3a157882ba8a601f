"""The command line: `python -m soak --seconds 1800`."""

import argparse
import json
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from soak.run import Outcome, Wish, soak

RESULTS = Path(__file__).parents[2] / "build"
_TOLD_FAILURES = 10
_LOGINS = 'ftps_server_logins_total{outcome="%s"}'
_UPLOADS = 'ftps_server_transfers_total{direction="upload",outcome="%s"}'
_DOWNLOADS = 'ftps_server_transfers_total{direction="download",outcome="%s"}'
_DATA = 'ftps_server_data_connections_total{tls="%s"}'
_KTLS = "ftps_server_ktls_connections_total"


def main() -> int:
    """Soak a server of its own; 0 when everything is as it should be."""
    arguments = _arguments()
    # It cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wish = Wish(
        arguments.seconds,
        arguments.clients,
        arguments.seed,
        arguments.share,
        tuple(filter(None, arguments.only.split(","))),
    )
    print(f"soak: {wish.seconds:g} s, {wish.clients} clients, seed {wish.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        outcome = soak(wish, directory)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(outcome.as_json(), indent=1, default=str) + "\n")
        if outcome.problems:
            shutil.copy(directory / "log", arguments.output.with_suffix(".log"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(_summary(outcome))
    print(f"In {arguments.output}: all figures, and a sample of each second")
    return 1 if outcome.problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Good and bad clients, for long, and nothing left over.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--clients", type=int, default=24, help="at a time (24)")
    parser.add_argument("--share", type=float, default=0.5, help="of a processor, for all clients together (0.5)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="of what they do; else at random")
    parser.add_argument("--only", default="", metavar="FAULTS", help="only these, by their functions' names")
    parser.add_argument("--output", type=Path, default=RESULTS / "soak.json", help="(build/soak.json)")
    return parser.parse_args()


def _summary(outcome: Outcome) -> str:
    figures, memory, counts = outcome.figures, outcome.memory, outcome.figures.counts
    served = outcome.metrics

    def told(metric: str, *outcomes: str) -> str:
        return ", ".join(f"{served.get(metric % each, 0):.0f} {each}" for each in outcomes)

    rows = [
        ("sessions", f"{counts['sessions']}; logins: {told(_LOGINS, 'ok', 'failed')}"),
        ("uploads", f"{told(_UPLOADS, 'ok', 'aborted')}; {counts['uploaded'] >> 20} MiB verified"),
        ("downloads", f"{told(_DOWNLOADS, 'ok', 'aborted')}; {counts['downloaded'] >> 20} MiB verified"),
        ("data connections", f"{told(_DATA, 'resumed', 'full', 'refused')}; by kTLS {served.get(_KTLS, 0):.0f}"),
        ("resumed uploads", f"{counts['resumed_uploads']}; over quota {counts['over_quota']}"),
        ("faults", str(figures.faults.total())),
        ("failures", str(figures.failed.total())),
        ("hook events", f"{counts['hooks']}; refused {counts['hook_refusals']} times"),
        (
            "memory (RSS, MiB)",
            f"{memory.start:.1f}, {memory.middle:.1f}, {memory.end:.1f}; {memory.slope:+.1f} an hour",
        ),
        ("descriptors", f"{outcome.start['descriptors']} → {outcome.end.get('descriptors')}"),
        ("threads", f"{outcome.start['threads']} → {outcome.end.get('threads')}"),
        ("event loop's lag, p99", f"{outcome.lag:g} s at most"),
        ("server's processor time", f"{outcome.end.get('processor_seconds')} s"),
        ("cut-off uploads kept", str(outcome.kept)),
        ("clients late at most", f"{outcome.lateness} s"),
    ]
    lines = [f"{name:26}{value}" for name, value in rows]
    for title, counter in (("done", figures.done), ("faults", figures.faults)):
        lines += ["", f"{title}:", *(f"  {count:6} {name}" for name, count in sorted(counter.items()))]
    for failure in figures.failures[:_TOLD_FAILURES]:
        lines += [
            "",
            f"at {failure.seconds} s, {failure.worker}, {failure.what}, starved {failure.starved}: {failure.error}",
        ]
        lines += [failure.trace, *(f"    {line}" for line in failure.dialogue)]
    lines += ["", *(f"PROBLEM: {problem}" for problem in outcome.problems)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
