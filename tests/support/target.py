"""A server as clients see it: through its load balancer's address, with curl, lftp and ftplib."""

import ssl
import subprocess

from support.ftps import Ftps
from support.servers import HOST, PASSWORD, Namespace
from testbed import Cluster

MODES = {"explicit": ("ftp", 21), "implicit": ("ftps", 990)}


class Target:
    """A server that is Ready, and how clients reach it."""

    def __init__(self, cluster: Cluster, namespace: Namespace, name: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = name
        self.status = namespace.wait_ready(name)["status"]
        self.address: str = self.status["address"]

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.cluster.client_argv(argv), capture_output=True, text=True, check=False, timeout=120)

    def curl(
        self, mode: str, path: str, *words: str, user: str = f"alice:{PASSWORD}"
    ) -> "subprocess.CompletedProcess[str]":
        scheme, port = MODES[mode]
        return self.run(
            "curl",
            "--silent",
            "--show-error",
            "--ssl-reqd",
            "--cacert",
            str(self.cluster.ca_file),
            "--connect-to",
            f"{HOST}:{port}:{self.address}:{port}",
            "--user",
            user,
            *words,
            f"{scheme}://{HOST}:{port}/{path}",
        )

    def lftp(self, mode: str, commands: str) -> "subprocess.CompletedProcess[str]":
        scheme, port = MODES[mode]
        settings = [
            "set cmd:fail-exit true",
            "set net:max-retries 1",
            "set net:timeout 20",
            f"set ssl:ca-file {self.cluster.ca_file}",
            "set ssl:verify-certificate true",
            "set ftp:ssl-force true",
            "set ftp:ssl-protect-data true",
        ]
        script = "; ".join([*settings, f"open -u alice,{PASSWORD} {scheme}://{self.address}:{port}", commands])
        return self.run("lftp", "-c", script)

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.cluster.ca_file))
        context.check_hostname = False  # ftplib knows no name but the address it connects to
        return context

    def session(self) -> Ftps:
        session = Ftps(context=self.tls(), timeout=20)
        session.connect(self.address, 21)
        return session
