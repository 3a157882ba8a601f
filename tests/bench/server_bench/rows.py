"""The rows of the table: which measured value each shows, and what it has to reach."""

from dataclasses import dataclass
from enum import StrEnum


class Target(StrEnum):
    """What a target is a bound of."""

    RATIO = "ratio"
    """Ours divided by the best peer's."""
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `at_least` and `aim` are lower bounds where more is better, upper bounds where less is."""

    title: str
    unit: str
    measurement: str
    value: str
    more_is_better: bool = True
    target: Target = Target.RATIO
    at_least: float | None = None
    aim: float | None = None

    def best(self, values: dict[str, float]) -> str | None:
        """Who has the best of these values."""
        choose = max if self.more_is_better else min
        return choose(values, key=lambda name: values[name], default=None)

    def meets(self, bound: float, value: float) -> bool:
        """Whether a value keeps a bound."""
        return value >= bound if self.more_is_better else value <= bound


def _bulk(title: str, measurement: str, at_least: float, aim: float) -> tuple[Row, Row]:
    return (
        Row(title, "MiB/s", measurement, "mib_per_second", at_least=at_least, aim=aim),
        Row(f"{title}: server CPU", "s/GiB", measurement, "cpu_seconds_per_gib", more_is_better=False),
    )


def _latency(title: str, value: str, at_least: float | None = None, aim: float | None = None) -> Row:
    return Row(title, "ms", "latency", value, more_is_better=False, target=Target.OURS, at_least=at_least, aim=aim)


ROWS = (
    *_bulk("download, 1 session", "download-1", 1.30, 1.5),
    *_bulk("download, 8 sessions", "download-8", 1.20, 1.35),
    *_bulk("upload, 1 session", "upload-1", 1.10, 1.2),
    *_bulk("upload, 8 sessions", "upload-8", 1.00, 1.1),
    Row("curl's download", "MiB/s", "curl", "download_mib_per_second"),
    Row("curl's upload", "MiB/s", "curl", "upload_mib_per_second"),
    Row("logins, RSA-2048", "1/s", "logins-rsa", "logins_per_second", at_least=2.0, aim=2.5),
    Row("logins, P-256", "1/s", "logins-p256", "logins_per_second", at_least=2.2, aim=3.0),
    Row("small files, resumed", "files/s", "small-resumed", "files_per_second", at_least=1.05, aim=1.25),
    Row("small files, full handshakes", "files/s", "small-full", "files_per_second", at_least=1.0, aim=1.15),
    Row("idle sessions: set-up", "s", "idle", "seconds", more_is_better=False),
    Row("idle sessions: memory", "MiB", "idle", "pss_mib", more_is_better=False, at_least=1 / 8),
    Row(
        "idle sessions: memory of each",
        "KiB",
        "idle",
        "pss_kib_per_session",
        more_is_better=False,
        target=Target.OURS,
        at_least=80,
        aim=50,
    ),
    _latency("NOOP p50 during 8 downloads", "noop_p50_ms"),
    _latency("NOOP p99 during 8 downloads", "noop_p99_ms", 5, 2.6),
    _latency("LIST p50 during 8 downloads", "list_p50_ms"),
    _latency("LIST p99 during 8 downloads", "list_p99_ms", 20, 14),
)
