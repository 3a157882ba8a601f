"""The servers to compare with, each configured for its best: no log, no look-up of names, no delay, no extra process.

All serve a system user out of its home directory, over TLS only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.server_bench.debian import Programs
from bench.server_bench.scene import HOST, Scene

MANY = 100_000
# Enough for a control port, two more, and the passive ports of a small server, which all sessions share.
PORTS = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """How a measurement wants its server."""

    port: int
    """The control port. It is the first of PORTS free ones."""
    certificate: str
    resume: bool
    """Whether data connections will resume their control connection's TLS session."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start a server."""

    argv: list[str]
    home: Path
    """Where the user's files are."""
    binds: Mapping[Path, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")
    """Of the files that it sees."""


class Server(Protocol):
    """One way to serve FTPS."""

    name: str

    def recipe(self, scene: Scene, wish: Wish) -> Recipe:
        """Write its configuration."""
        ...


@dataclass(frozen=True, slots=True)
class _Peer:
    programs: Programs

    name = ""

    def _recipe(self, scene: Scene, place: Path, argv: list[str], binds: Mapping[Path, str] | None = None) -> Recipe:
        home = place / "home"
        scene.furnish(home)
        return Recipe(
            argv=argv,
            home=home,
            binds={**scene.account_files(home, place), **(binds or {})},
            root=self.programs.root(self.name),
        )


class Vsftpd(_Peer):
    name = "vsftpd"

    def recipe(self, scene: Scene, wish: Wish) -> Recipe:
        place = scene.place(self.name)
        (place / "empty").mkdir()
        (place / "pam.d").mkdir()
        (place / "pam.d" / "vsftpd").write_text("auth required pam_unix.so\naccount required pam_permit.so\n")
        settings = {
            "listen": "YES",
            "listen_address": HOST,
            "listen_port": wish.port,
            "background": "NO",
            "anonymous_enable": "NO",
            "local_enable": "YES",
            "write_enable": "YES",
            "chroot_local_user": "YES",
            "allow_writeable_chroot": "YES",
            "secure_chroot_dir": place / "empty",
            "pam_service_name": "vsftpd",
            "ssl_enable": "YES",
            "ssl_tlsv1": "YES",
            "rsa_cert_file": scene.certificate(wish.certificate),
            "rsa_private_key_file": scene.key(wish.certificate),
            "force_local_logins_ssl": "YES",
            "force_local_data_ssl": "YES",
            "require_ssl_reuse": "YES" if wish.resume else "NO",
            # Its own list is one that today's OpenSSL cannot negotiate.
            "ssl_ciphers": "HIGH",
            # Its filter kills a process that asks the kernel for random bytes, as OpenSSL does.
            "seccomp_sandbox": "NO",
            # Namespaces for each session cost a tenth of its logins, and half of its memory.
            "isolate": "NO",
            "isolate_network": "NO",
            "xferlog_enable": "NO",
            "max_clients": 0,
            "max_per_ip": 0,
            "idle_session_timeout": MANY,
            "data_connection_timeout": MANY,
        }
        file = place / "vsftpd.conf"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        argv = ["/usr/sbin/vsftpd", str(file)]
        return self._recipe(scene, place, argv, {place / "pam.d": "/etc/pam.d"})


class Proftpd(_Peer):
    name = "proftpd"

    def recipe(self, scene: Scene, wish: Wish) -> Recipe:
        place = scene.place(self.name)
        kind = "EC" if wish.certificate == "p256" else "RSA"
        certificate = scene.certificate(wish.certificate)
        # Which of them are built in differs from release to release.
        modules = self.programs.root(self.name) / "usr/lib/proftpd"
        files = [modules / f"mod_{module}.so" for module in ("tls", "xfer", "ls")]
        loaded = "\n".join(f"LoadModule {file.stem}.c" for file in files if file.exists())
        lines = f"""
            ModulePath /usr/lib/proftpd
            {loaded}
            ServerType standalone
            DefaultAddress {HOST}
            SocketBindTight on
            Port {wish.port}
            User nobody
            Group nogroup
            ScoreboardFile {place}/scoreboard
            PidFile {place}/pid
            ControlsEngine off
            <IfModule mod_delay.c>
            DelayEngine off
            </IfModule>
            UseReverseDNS off
            AuthPAM off
            AuthOrder mod_auth_unix.c
            RequireValidShell off
            DefaultRoot ~
            AllowOverwrite on
            AllowStoreRestart on
            WtmpLog off
            TransferLog none
            SystemLog none
            MaxInstances none
            TimeoutIdle 0
            TimeoutLogin 0
            TimeoutNoTransfer 0
            TimeoutStalled 0
            TLSEngine on
            TLSRequired on
            TLSProtocol TLSv1.2 TLSv1.3
            TLS{kind}CertificateFile {certificate}
            TLS{kind}CertificateKeyFile {scene.key(wish.certificate)}
            # Without it every session parses the system's authorities: 30 ms.
            TLSCACertificateFile {certificate}
            TLSVerifyClient off
            TLSLog none
            {"" if wish.resume else "TLSOptions NoSessionReuseRequired"}
        """
        file = place / "proftpd.conf"
        file.write_text(lines)
        return self._recipe(scene, place, ["/usr/sbin/proftpd", "-n", "-q", "-c", str(file)])


class PureFtpd(_Peer):
    name = "pure-ftpd"

    def recipe(self, scene: Scene, wish: Wish) -> Recipe:
        place = scene.place(self.name)
        argv = [
            "/usr/sbin/pure-ftpd",
            *("-S", f"{HOST},{wish.port}"),
            *("-l", "unix", "-A", "-u", "1", "-E"),
            *("-Y", "3", "-2", str(scene.both(wish.certificate))),
            *("-c", str(MANY), "-C", str(MANY), "-I", str(MANY)),
            *("-H", "-f", "none"),
        ]
        return self._recipe(scene, place, argv)
