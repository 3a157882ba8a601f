"""From raw runs to medians, ratios and verdicts."""

import pytest

from bench.server_bench.measurements import MEASUREMENTS, percentile
from bench.server_bench.plot import draw
from bench.server_bench.report import table
from bench.server_bench.results import Raw, Result, collect
from bench.server_bench.rows import ROWS, Target


def raw(measurement: str, value: str, **servers: list[float]) -> list[Raw]:
    """Runs of one measurement; an underscore stands for a name's hyphen."""
    return [
        {"measurement": measurement, "server": server.replace("_", "-"), "values": {value: figure, "other": 1.0}}
        for server, figures in servers.items()
        for figure in figures
    ]


def result(measurement: str, value: str, **servers: list[float]) -> Result:
    (found,) = collect(raw(measurement, value, **servers))
    return found


def test_every_measurement_fills_a_row():
    assert {row.measurement for row in ROWS} == {measurement.name for measurement in MEASUREMENTS}


def test_every_target_has_a_harder_aim():
    assert all(row.meets(row.at_least, row.aim) for row in ROWS if row.at_least is not None and row.aim is not None)


def test_a_cell_is_the_median_of_its_runs():
    found = result("download-1", "mib_per_second", ours=[1.0, 900.0, 1000.0], vsftpd=[500.0])
    assert found.medians == {"ours": 900.0, "vsftpd": 500.0}


def test_the_ratio_is_ours_to_the_best_peer_and_stock_pyftpdlib_is_none():
    found = result("download-1", "mib_per_second", ours=[1200], vsftpd=[600], pure_ftpd=[800], pyftpdlib=[5000])
    assert found.as_json() == {
        "row": "download, 1 session",
        "ours": 1200,
        "unit": "MiB/s",
        "best_peer": 800,
        "best_peer_name": "pure-ftpd",
        "ratio": 1.5,
    }


def test_the_best_is_the_least_where_less_is_better():
    found = result("idle", "pss_mib", ours=[100], vsftpd=[1600], pure_ftpd=[1280])
    assert (found.best_peer, found.ratio) == ("pure-ftpd", 0.078125)


@pytest.mark.parametrize(("ours", "verdict"), [(1.29, "MISSED"), (1.30, "met"), (1.49, "met"), (1.5, "aim")])
def test_a_rate_has_to_be_so_many_times_the_best_peers(ours: float, verdict: str):
    assert result("download-1", "mib_per_second", ours=[ours], vsftpd=[1.0]).verdict == verdict


@pytest.mark.parametrize(("ours", "verdict"), [(5.1, "MISSED"), (5, "met"), (2.6, "aim")])
def test_a_latency_has_to_be_so_short_whatever_the_peers_have(ours: float, verdict: str):
    found = result("latency", "noop_p99_ms", ours=[ours], vsftpd=[0.1])
    assert found.row.target is Target.OURS
    assert found.verdict == verdict


def test_nothing_is_claimed_without_peers_or_without_ours():
    assert result("download-1", "mib_per_second", ours=[1200]).verdict == "?"
    assert result("download-1", "mib_per_second", vsftpd=[600]).as_json()["ratio"] is None


def test_a_failed_run_leaves_the_others():
    failed = {"measurement": "download-1", "server": "ours", "error": "refused"}
    (found,) = collect([failed, *raw("download-1", "mib_per_second", ours=[3.0])])
    assert found.medians == {"ours": 3.0}


def test_the_table_is_markdown_with_the_best_peer_marked():
    lines = table([result("download-1", "mib_per_second", ours=[1200], vsftpd=[600], pure_ftpd=[800])]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:3]]
    assert cells[0] == ["", "unit", "ours", "vsftpd", "pure-ftpd", "ratio", "target", "result"]
    assert set("".join(cells[1])) == {"-", ":"}
    assert cells[2] == ["download, 1 session", "MiB/s", "1200", "600", "*800*", "1.5×", "1.3× / 1.5×", "aim"]


def test_a_percentile_is_one_of_the_values():
    values = [float(value) for value in range(200, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 99, 100)] == [100.0, 198.0, 200.0]
    assert percentile([7.0], 99) == 7.0


def test_the_plot_is_a_picture(tmp_path):
    draw(
        [result("idle", "pss_mib", ours=[100, 110], vsftpd=[1600]), result("latency", "noop_p99_ms", ours=[2])],
        tmp_path / "plot.png",
    )
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
