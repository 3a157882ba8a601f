"""From raw runs to the table's cells."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.server_bench.rows import ROWS, Row, Target

OURS = "ours"
STOCK = "pyftpdlib"
PEERS = ("vsftpd", "proftpd", "pure-ftpd")
"""Those that a ratio is taken to the best of."""

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """A row with every server's median."""

    row: Row
    medians: dict[str, float]
    runs: dict[str, list[float]]

    @property
    def ours(self) -> float | None:
        return self.medians.get(OURS)

    @property
    def best_peer(self) -> str | None:
        return self.row.best({name: value for name, value in self.medians.items() if name in PEERS})

    @property
    def ratio(self) -> float | None:
        """Ours divided by the best peer's, whichever direction is better."""
        if self.ours is None or self.best_peer is None:
            return None
        return self.ours / self.medians[self.best_peer]

    @property
    def verdict(self) -> str:
        """Whether the target is met; empty where there is none."""
        if self.row.at_least is None:
            return ""
        value = self.ratio if self.row.target is Target.RATIO else self.ours
        if value is None:
            return "?"
        if self.row.aim is not None and self.row.meets(self.row.aim, value):
            return "aim"
        return "met" if self.row.meets(self.row.at_least, value) else "MISSED"

    def as_json(self) -> Raw:
        return {
            "row": self.row.title,
            "ours": _rounded(self.ours),
            "unit": self.row.unit,
            "best_peer": _rounded(self.medians[self.best_peer]) if self.best_peer else None,
            "best_peer_name": self.best_peer,
            "ratio": _rounded(self.ratio),
        }


def collect(raws: Iterable[Raw]) -> list[Result]:
    """The rows that something was measured for."""
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for raw in raws:
        for name, value in raw.get("values", {}).items():
            values[raw["measurement"], name][raw["server"]].append(value)
    return [
        Result(row, {server: statistics.median(each) for server, each in found.items()}, dict(found))
        for row in ROWS
        if (found := values.get((row.measurement, row.value)))
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
