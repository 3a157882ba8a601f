"""The Debian packages that the embedded cluster and its clients consist of."""

import shutil
from collections.abc import Mapping

from testbed.errors import TestbedError
from testbed.paths import CACHE
from testbed.progress import step
from testbed.shell import run, run_logged

# What must be there, and the package that has it.
PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "conntrack": "conntrack",
    "curl": "curl",
    "lftp": "lftp",
}

FOR_TESTS = {
    # A kernel that has the module `tls`, for the server's downloads that the kernel encrypts.
    "linux.uml": "user-mode-linux",
    # Stands before a server with the PROXY protocol.
    "haproxy": "haproxy",
    # Makes an operator's wall clock jump.
    "faketime": "faketime",
}


def missing(programs: Mapping[str, str] = PROGRAMS) -> list[str]:
    """The packages whose program is not on this machine."""
    return sorted({package for program, package in programs.items() if shutil.which(program) is None})


def ensure(programs: Mapping[str, str] = PROGRAMS) -> None:
    """Install what is missing."""
    wanted = missing(programs)
    if not wanted:
        return
    if shutil.which("apt-get") is None:
        raise TestbedError(f"these are missing, and this is no Debian to install them on: {', '.join(wanted)}")
    log = CACHE / "logs" / "packages.log"
    with step(f"Installing Debian packages: {', '.join(wanted)}", log):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run_logged(["apt-get", "update"], log, environment=quiet)
        run_logged(["apt-get", "install", "-y", "--no-install-recommends", *wanted], log, environment=quiet)
    # Debian starts them as services of its own; ours are started by hand, each with its own state.
    if shutil.which("systemctl") is not None:
        run(["systemctl", "disable", "--now", *({"containerd", "haproxy"} & set(wanted))], check=False)
