"""The same tests for as long as wanted, led by what the code covers: `python tests/fuzz/run.py --seconds 600`.

Needs `pip install atheris`, which nothing else does. What fails is saved below `build/fuzz`, and among hypothesis's
examples: the next ordinary run of the test begins with it. The commands are left out: what a server in a thread covers
does not tell which input was worth keeping.
"""

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = {
    "proxyheader": "test_a_damaged_header_is_answered_or_refused_and_nothing_more_is_taken",
    "clienthello": "test_a_damaged_hello_is_read_waited_for_or_refused",
    "config": "test_a_changed_document_is_read_or_refused",
}


def main() -> int:
    """Fuzz the targets that are named, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", choices=TARGETS, help="one of them only")
    arguments = parser.parse_args()
    if arguments.target:
        fuzz(arguments.target, arguments.seconds)
    # Fuzzing ends its process.
    words = [sys.executable, __file__, f"--seconds={arguments.seconds}"]
    return max(subprocess.run([*words, f"--target={target}"], check=False).returncode for target in TARGETS)


def fuzz(target: str, seconds: int) -> None:
    """Does not return."""
    import atheris

    sys.path[:0] = [str(ROOT / path) for path in ("server-image/src", "tests")]
    with atheris.instrument_imports(include=["ftps_server"]):
        module = importlib.import_module(f"fuzz.test_{target}")
    found = ROOT / "build/fuzz" / target
    found.mkdir(parents=True, exist_ok=True)
    words = [sys.argv[0], f"-max_total_time={seconds}", f"-artifact_prefix={found}/", "-max_len=8192", "-verbosity=0"]
    atheris.Setup([*words, "-print_final_stats=1"], getattr(module, TARGETS[target]).hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
