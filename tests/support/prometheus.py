"""Reads metrics in Prometheus' text format."""

import re
from collections.abc import Mapping

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = Mapping[str, str]


class Scrape:
    """What was exposed at one moment."""

    def __init__(self, text: str) -> None:
        self._samples: list[tuple[str, Labels, float]] = []
        for line in text.splitlines():
            if found := _SAMPLE.fullmatch(line):
                labels = dict(_LABEL.findall(found["labels"] or ""))
                self._samples.append((found["name"], labels, float(found["value"])))

    def sum(self, name: str, /, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        return sum(value for each, found, value in self._samples if each == name and labels.items() <= found.items())

    def has(self, name: str, /, **labels: str) -> bool:
        """Whether there is such a sample."""
        return any(each == name and labels.items() <= found.items() for each, found, _ in self._samples)

    def quantile(self, name: str, quantile: float, *, since: "Scrape | None" = None) -> float:
        """A quantile of a histogram, as its bucket's upper bound. What was observed before `since` is left out."""
        counts: dict[float, float] = {}
        for sign, scrape in ((1, self), (-1, since)):
            for each, found, value in scrape._samples if scrape else ():
                if each == f"{name}_bucket":
                    bound = float(found["le"])
                    counts[bound] = counts.get(bound, 0) + sign * value
        wanted = quantile * counts.get(float("inf"), 0)
        return next((bound for bound, count in sorted(counts.items()) if count >= wanted > 0), 0.0)
