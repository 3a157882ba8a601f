"""The files of one run, in memory: what is served, who logs in, and certificates."""

import datetime
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from bench.server_bench import passwords

HOST = "127.0.0.1"
MIB = 1 << 20
BIG = "big"
MEDIUM = "medium"
SMALL_BYTES = 10 * 1024
LISTED = 20
MEMORY = "/dev/shm"
_PREFIX = "ftps-bench-"
CERTIFICATES = ("rsa", "p256")
# A user that no machine has.
_UID = 54321
# Below those that the kernel takes for outgoing connections.
_PORTS = range(12000, 28000)


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything is below one directory of a tmpfs."""

    directory: Path

    def source(self, name: str) -> Path:
        """A file to upload; the one to download is the same, linked."""
        return self.directory / name

    def certificate(self, kind: str) -> Path:
        return self.directory / f"{kind}.crt"

    def key(self, kind: str) -> Path:
        return self.directory / f"{kind}.key"

    def both(self, kind: str) -> Path:
        """Key and certificate in one file."""
        return self.directory / f"{kind}.pem"

    def place(self, server: str) -> Path:
        """A fresh directory for one server's configuration and logs."""
        place = self.directory / server
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        return place

    def furnish(self, home: Path) -> None:
        """Fill a home directory: two files to download, and enough to list."""
        home.mkdir(parents=True)
        for name in (BIG, MEDIUM):
            os.link(self.source(name), home / name)
        for number in range(LISTED - 2):
            (home / f"small-{number}").write_bytes(bytes(SMALL_BYTES))
        os.chown(home, _UID, _UID)

    def account_files(self, home: Path, place: Path) -> dict[Path, str]:
        """The machine's users and one more, to be put over its own files for one server."""
        binds = {}
        for name, line in (
            ("passwd", f"{passwords.NAME}:x:{_UID}:{_UID}::{home}:/bin/sh"),
            ("shadow", f"{passwords.NAME}:{passwords.hashed()}:19000:0:99999:7:::"),
            ("group", f"{passwords.NAME}:x:{_UID}:"),
        ):
            own = place / name
            own.touch(mode=0o600 if name == "shadow" else 0o644)
            own.write_text(f"{Path('/etc', name).read_text().rstrip()}\n{line}\n")
            binds[own] = f"/etc/{name}"
        return binds


@contextmanager
def prepared(*, big_mib: int, medium_mib: int) -> Iterator[Scene]:
    """Make the files, and remove them at the end. There is one run at a time."""
    for left in Path(MEMORY).glob(f"{_PREFIX}*"):
        # Its run was killed.
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=MEMORY) as directory:
        scene = Scene(Path(directory))
        # Servers look into it as other users.
        scene.directory.chmod(0o755)
        block = secrets.token_bytes(MIB)
        for name, size in ((BIG, big_mib), (MEDIUM, medium_mib)):
            with scene.source(name).open("wb") as file:
                for _ in range(size):
                    file.write(block)
        for kind in CERTIFICATES:
            _certify(scene, kind)
        yield scene


def free_ports(count: int) -> int:
    """The first of so many consecutive ports that nobody has."""
    while True:
        first = secrets.choice(_PORTS)
        with suppress(OSError):
            for port in range(first, first + count):
                socket.create_server((HOST, port)).close()
            return first


def _certify(scene: Scene, kind: str) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    scene.certificate(kind).write_bytes(certificate)
    scene.both(kind).write_bytes(private + certificate)
    for path in (scene.key(kind), scene.both(kind)):
        path.touch()
        path.chmod(0o600)
    scene.key(kind).write_bytes(private)
