"""Operators as processes of this machine, each with a way of its own to the API server, which can be disturbed."""

import base64
import json
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftps_operator.__main__ import main
from support.faultproxy import FaultProxy, Request, fault_proxy
from testbed import Cluster
from testbed.install import CHART, ensure_namespace
from testbed.kubeconfig import write_kubeconfig

STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount with the rights that the chart gives, and no pod that uses them."""

    cluster: Cluster
    release: str
    """Also the namespace's name."""
    server: str
    ca: bytes
    token: str


@contextmanager
def account(cluster: Cluster, release: str) -> Iterator[Account]:
    """Of the chart make just the rights, in a namespace of their own."""
    ensure_namespace(cluster, release)
    only = [word for name in ("rbac", "serviceaccount") for word in ("--show-only", f"templates/{name}.yaml")]
    rights = cluster.helm("template", release, str(CHART), "--namespace", release, *only)
    cluster.kubectl("apply", "-f", "-", stdin=rights)
    found: dict[str, Any] = json.loads(cluster.service_account_kubeconfig(release, release).read_text())
    of_server, of_user = found["clusters"][0]["cluster"], found["users"][0]["user"]
    ca = base64.b64decode(of_server["certificate-authority-data"])
    try:
        yield Account(cluster, release, of_server["server"], ca, of_user["token"])
    finally:
        cluster.kubectl("delete", "-f", "-", stdin=rights)
        cluster.kubectl("delete", "namespace", release, "--wait=false")


class Operator:
    """An operator that runs."""

    def __init__(self, proxy: FaultProxy, process: multiprocessing.process.BaseProcess) -> None:
        self.proxy = proxy
        self._process = process

    def send(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        self.send(signal.SIGKILL)

    def wait(self, seconds: float) -> int | None:
        """Wait until it has ended. Returns its exit code, or minus the signal's number; None: it runs on."""
        self._process.join(seconds)
        return self._process.exitcode

    @property
    def writes(self) -> list[Request]:
        """What the API server was asked to write, but for the lease."""
        return [request for request in list(self.proxy.requests) if request.is_write and request.forwarded is not None]


@contextmanager
def operator(
    user: Account, folder: Path, identity: str, *flags: str, clock: "Clock | None" = None
) -> Iterator[Operator]:
    """Run an operator. No two of one name may use one folder."""
    with ExitStack() as stack:
        proxy = stack.enter_context(fault_proxy(user.server, user.ca.decode()))
        kubeconfig = folder / f"{identity}.kubeconfig"
        write_kubeconfig(kubeconfig, proxy.url, user.ca, user={"token": user.token})
        words = ["run", "--kubeconfig", str(kubeconfig), "--server-image", "localhost/none", "--identity", identity]
        words += ["--operator-namespace", user.release, "--lease-name", user.release]
        words += ["--health-port", str(_free_port()), *flags]
        # Of a process that has imported everything: of the second that a start takes, this is the most.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["ftps_operator.app"])
        log, variables = folder / f"{identity}.log", clock.variables if clock else {}
        process = context.Process(target=_run, args=(words, log, variables), daemon=True)
        process.start()
        try:
            yield Operator(proxy, process)
        finally:
            process.kill()
            process.join(STOP_SECONDS)
            process.close()


def _run(words: list[str], log: Path, variables: dict[str, str]) -> None:
    with log.open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.argv = ["ftps-operator", *words]
    if variables:  # what the dynamic linker does is done by now
        os.execve(sys.executable, [sys.executable, "-m", "ftps_operator", *words], os.environ | variables)  # noqa: S606
    sys.exit(main())


class Clock:
    """A process's wall clock, which can be made to jump. The monotonic one goes on, as the kernel's does."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump("+0")
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        self.variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, offset: str) -> None:
        """Show the time with an offset from now on, like +1h."""
        self._file.write_text(offset)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
