"""The table as a picture: a small chart a row, a bar a server, the target as a line."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.server_bench.report import figure
from bench.server_bench.results import OURS, PEERS, STOCK, Result
from bench.server_bench.rows import Target

_COLUMNS = 3
_OURS_COLOUR, _PEER_COLOUR, _STOCK_COLOUR, _TARGET_COLOUR = "#1f6fb4", "#8a939c", "#c9ced3", "#c2410c"


def draw(results: Sequence[Result], file: Path) -> None:
    """Write a PNG."""
    rows = math.ceil(len(results) / _COLUMNS)
    picture = Figure(figsize=(5 * _COLUMNS, 1.9 * rows + 0.8), layout="constrained")
    charts = list(picture.subplots(rows, _COLUMNS, squeeze=False).flat)
    for result, chart in zip(results, charts, strict=False):
        _chart(chart, result)
    for unused in charts[len(results) :]:
        unused.set_axis_off()
    picture.suptitle("FTPS servers on one processor core: medians, with the lowest and the highest run", fontsize=13)
    picture.supxlabel("▶ more is better   ◀ less is better   dashed: our target, at least", fontsize=10)
    picture.savefig(file, dpi=110)


def _chart(chart: Axes, result: Result) -> None:
    names = [name for name in (OURS, *PEERS, STOCK) if name in result.medians]
    medians = [result.medians[name] for name in names]
    spread = [
        [result.medians[name] - min(result.runs[name]) for name in names],
        [max(result.runs[name]) - result.medians[name] for name in names],
    ]
    colours = [{OURS: _OURS_COLOUR, STOCK: _STOCK_COLOUR}.get(name, _PEER_COLOUR) for name in names]
    chart.barh(names, medians, color=colours, xerr=spread, error_kw={"lw": 1, "ecolor": "#333333"}, height=0.72)
    chart.invert_yaxis()
    most = max(max(result.runs[name]) for name in names)
    bound = _bound(result)
    for place, value in enumerate(medians):
        chart.annotate(
            figure(value),
            (max(result.runs[names[place]]), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )
    if bound is not None:
        chart.axvline(bound, color=_TARGET_COLOUR, linestyle="--", linewidth=1.2)
    chart.set_xlim(0, max(most, bound or 0) * 1.18)
    arrow = "▶" if result.row.more_is_better else "◀"
    chart.set_title(f"{result.row.title}, {result.row.unit} {arrow}", fontsize=9.5, loc="left")
    chart.tick_params(labelsize=8.5)
    chart.spines[["top", "right"]].set_visible(False)


def _bound(result: Result) -> float | None:
    """The target on the row's own scale."""
    if result.row.at_least is None or result.row.target is Target.OURS:
        return result.row.at_least
    return result.row.at_least * result.medians[result.best_peer] if result.best_peer else None
