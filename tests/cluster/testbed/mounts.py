"""What containers leave outside their namespaces: shims, and mounts below our folders."""

import os
import signal
import time
from pathlib import Path

from testbed.paths import Instance
from testbed.shell import run


def existing(instance: Instance) -> list[str]:
    """The mount points below the instance's folders, the innermost first."""
    prefixes = tuple(f"{folder}/" for folder in (instance.state, instance.data))
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(prefixes)), reverse=True)


def unmount(instance: Instance) -> None:
    """Unmount them all."""
    for point in existing(instance):
        run(["umount", "--lazy", point], check=False)


def shims(instance: Instance) -> list[int]:
    """The containerd shims of the instance: they outlive containerd, and nobody else knows them."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if "shim" in words[0] and any(word.startswith(f"{instance.state}/") for word in words):
                found.append(int(folder.name))
    return found


def kill_shims(instance: Instance, *, seconds: float = 10.0) -> None:
    """End the shims."""
    deadline = time.monotonic() + seconds
    while (pids := shims(instance)) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)
