"""The table of faults: what was done, what came of it. Printed, and kept in build/faults.json."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.paths import CHECKOUT

FILE = CHECKOUT / "build" / "faults.json"
Row = dict[str, str | int | float]


@contextmanager
def fault_table(config: pytest.Config, title: str) -> Iterator[list[Row]]:
    """The rows to be filled. What other modules have put into the file stays."""
    rows: list[Row] = []
    yield rows
    FILE.parent.mkdir(exist_ok=True)
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(known | {title: rows}, indent=1) + "\n")
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n\n{title}")  # noqa: T201
        for row in rows:
            print("  " + " | ".join(f"{key}: {value}" for key, value in row.items()))  # noqa: T201
