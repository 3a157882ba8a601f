"""What containers leave outside their namespaces: shims and their sockets, and mounts below our folders."""

import hashlib
from pathlib import Path

from testbed.paths import Instance
from testbed.shell import run

_SHIM_SOCKETS = Path("/run/containerd/s")  # containerd 1.6: one place for the whole machine, whatever its `state`


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


def shim_sockets(instance: Instance) -> list[Path]:
    """The sockets of the instance's shims: a shim that is killed leaves its own behind.

    A socket is named after a hash of containerd's address and the sandbox, and says nothing of whose it is.
    """
    sandboxes = instance.state.glob("node*/containerd/io.containerd.grpc.v1.cri/sandboxes/*")
    tasks = instance.state.glob("node*/containerd/io.containerd.runtime.v2.task/k8s.io/*")
    # .../node0/containerd/PLUGIN/FOLDER/ID
    named = {f"{folder.parents[3]}/containerd.sock/k8s.io/{folder.name}" for folder in (*sandboxes, *tasks)}
    sockets = (_SHIM_SOCKETS / hashlib.sha256(name.encode()).hexdigest() for name in named)
    return sorted(socket for socket in sockets if socket.exists())
