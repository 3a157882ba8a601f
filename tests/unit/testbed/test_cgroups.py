"""Ending a node's pods while containerd tidies up after them."""

from pathlib import Path

from testbed import cgroups
from testbed.paths import Instance


def test_a_group_that_goes_while_it_is_read_is_no_error(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    pod = tmp_path / "cpu" / cgroups.name(Instance("x"), 0) / "pod"
    pod.mkdir(parents=True)
    (tmp_path / "cpu" / "cgroup.procs").touch()
    (pod / "cgroup.procs").symlink_to("gone")
    assert cgroups.processes(Instance("x")) == set()
    assert cgroups.existing(Instance("x")) == [pod.parent]
