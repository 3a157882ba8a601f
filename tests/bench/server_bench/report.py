"""The table, as Markdown that reads well in a terminal too."""

from collections.abc import Sequence

from bench.server_bench.results import OURS, PEERS, STOCK, Result
from bench.server_bench.rows import Target

# These columns are words, the others figures.
_WORDS = {"", "unit", "result"}
_CONVENTION = (
    "Each cell is the median of the runs. Ratio: ours divided by the best of vsftpd, proftpd and pure-ftpd; where less "
    "is better (marked ↓) it should be below 1. Targets are `at least / aim`, of the ratio (×) or of ours."
)


def table(results: Sequence[Result]) -> str:
    servers = [name for name in (OURS, *PEERS, STOCK) if any(name in result.medians for result in results)]
    head = ["", "unit", *servers, "ratio", "target", "result"]
    lines = [[*_titles(result), *_cells(result, servers), *_judgement(result)] for result in results]
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rule = [
        "-" * width if name in _WORDS else "-" * (width - 1) + ":" for name, width in zip(head, widths, strict=True)
    ]

    def aligned(cells: Sequence[str]) -> str:
        columns = zip(head, widths, cells, strict=True)
        padded = (cell.ljust(width) if name in _WORDS else cell.rjust(width) for name, width, cell in columns)
        return f"| {' | '.join(padded)} |"

    return "\n".join([*map(aligned, (head, rule, *lines)), "", _CONVENTION])


def _titles(result: Result) -> tuple[str, str]:
    direction = "" if result.row.more_is_better else " ↓"
    return f"{result.row.title}{direction}", result.row.unit


def _cells(result: Result, servers: Sequence[str]) -> list[str]:
    texts = {name: figure(value) for name, value in result.medians.items()}
    if result.best_peer:
        texts[result.best_peer] = f"*{texts[result.best_peer]}*"
    return [texts.get(name, "-") for name in servers]


def _judgement(result: Result) -> tuple[str, str, str]:
    row = result.row
    sign = "×" if row.target is Target.RATIO else ""
    bounds = [f"{bound:.3g}{sign}" for bound in (row.at_least, row.aim) if bound is not None]
    ratio = "-" if result.ratio is None else f"{result.ratio:.3g}×"
    return ratio, " / ".join(bounds), result.verdict


def figure(value: float) -> str:
    """Three digits, more where the number has them anyway."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
