"""Where the test bed keeps what: caches outlive a cluster, state does not."""

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ftps-operator"
RUN = Path("/run/ftps-testbed")


@dataclass(frozen=True, slots=True)
class Instance:
    """One embedded cluster. Several can exist side by side, each under its own name."""

    name: str

    @property
    def state(self) -> Path:
        """Sockets, certificates, logs. Short, as a Unix socket's path is limited to 108 bytes."""
        return RUN / self.name

    @property
    def data(self) -> Path:
        """Container images, volumes, etcd's store."""
        return Path("/var/lib/ftps-testbed") / self.name

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.state / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.state / "admin.kubeconfig"

    @property
    def ca_file(self) -> Path:
        """The certificate of the authority behind the ClusterIssuer `testbed-ca`."""
        return self.state / "issuer-ca.crt"

    def namespace(self, role: str) -> str:
        """The network namespace of `hub`, `client` or a node."""
        return f"{self.name}-{role}"

    @classmethod
    def current(cls) -> "Instance":
        """The one that TESTBED_NAME names."""
        return cls(os.environ.get("TESTBED_NAME", "ftps"))
