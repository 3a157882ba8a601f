"""The control group that a node's pods live in, so that everything in a pod can be found and ended."""

import os
from pathlib import Path

from testbed.paths import Instance

ROOT = Path("/sys/fs/cgroup")
_VERSION_2 = ROOT / "cgroup.controllers"


def name(instance: Instance, node: int) -> str:
    """The group's name, the kubelet's `cgroupRoot`."""
    return f"ftps-testbed-{instance.name}-node{node}"


def create(instance: Instance, node: int) -> None:
    """Make the group in every hierarchy: the kubelet wants it there before it starts."""
    if _VERSION_2.exists():
        for controller in _VERSION_2.read_text().split():
            _write(ROOT / "cgroup.subtree_control", f"+{controller}")
        (ROOT / name(instance, node)).mkdir(exist_ok=True)
        return
    for hierarchy in _hierarchies():
        group = hierarchy / name(instance, node)
        group.mkdir(exist_ok=True)
        # cgroup v1: a cpuset without cpus and memory nodes takes no process.
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (group / setting).exists():
                _write(group / setting, (hierarchy / setting).read_text())


def remove(instance: Instance) -> None:
    """Remove the groups."""
    for group in existing(instance):
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                continue  # `existing` tells what is left


def existing(instance: Instance) -> list[Path]:
    """The groups that are there."""
    roots = [ROOT] if _VERSION_2.exists() else _hierarchies()
    return [group for root in roots for group in root.glob(f"ftps-testbed-{instance.name}-node*")]


def _hierarchies() -> list[Path]:
    # Not `tasks`: a hybrid machine's `unified` has none, and runc makes the pods' groups there, too.
    return [
        path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists()
    ]


def processes(instance: Instance) -> set[int]:
    """Every process of every pod."""
    # os.walk: rglob raises when a folder goes while it is listed.
    folders = [folder for group in existing(instance) for folder, _, _ in os.walk(group)]
    return {int(pid) for folder in folders for pid in _read(Path(folder, "cgroup.procs")).split() if pid != "0"}


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""  # the group went together with its last process


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError:
        return  # a controller that cannot be delegated here; the kubelet says what it misses
