"""The server's process, and what it tells."""

import os
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ftps_server
from ftps_server.config import PassivePorts
from unit.ftps_server.harness import DEADLINE, Pki, Setup, free_ports, user, wait_for

STRICT, LENIENT = "strict", "lenient"
PASSIVE_PORTS = 8
_DATA_CONNECTIONS = re.compile(r'^ftps_server_data_connections_total\{\w+="(.+)"\} (\S+)$', re.MULTILINE)


class RunningServer:
    """It serves two users: whose data connections must resume, and whose need not."""

    def __init__(self, directory: Path) -> None:
        first = free_ports(3 + PASSIVE_PORTS)
        passive = PassivePorts(first=first + 3, last=first + 2 + PASSIVE_PORTS)
        pki = Pki()
        self.setup = Setup(directory, first, first + 1, first + 2, passive)
        self.setup.storage.mkdir()
        self.setup.configure(active={"enabled": True}, tls={"dataSessionReuse": "Required"})
        self.setup.announce()
        self.setup.users(user(STRICT), user(LENIENT, dataSessionReuse="Off"))
        self.setup.certify(*pki.issue())
        self.authority = directory / "authority.pem"
        self.authority.write_bytes(pki.root())
        self._log = directory / "server.log"

    @contextmanager
    def run(self) -> Iterator[None]:
        """While it runs."""
        argv = [sys.executable, "-m", "ftps_server", "--config-directory", str(self.setup.directory)]
        argv += ["--passive-ports", str(self.setup.passive)]
        environment = os.environ | {"PYTHONPATH": str(Path(ftps_server.__file__).parents[1])}
        with self._log.open("w") as log, subprocess.Popen(argv, env=environment, stdout=log, stderr=log) as process:
            try:
                wait_for(lambda: self._is_ready(process), "readiness")
                yield
            finally:
                process.kill()

    def _is_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        assert process.poll() is None, self._log.read_text()
        try:
            self._get("readyz")
        except OSError:
            return False
        return True

    def data_connections(self) -> Counter[str]:
        """How many there were so far, by how their TLS handshake went."""
        return Counter({result: int(float(count)) for result, count in _DATA_CONNECTIONS.findall(self._get("metrics"))})

    def logged(self) -> int:
        """How much is in the log by now."""
        return self._log.stat().st_size

    def log_since(self, size: int) -> str:
        """What came after that."""
        return self._log.read_bytes()[size:].decode()

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.setup.admin}/{path}", timeout=DEADLINE) as answer:
            return answer.read().decode()
