"""A server's files, and clients of it."""

import datetime
import ftplib
import ipaddress
import json
import secrets
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ftps_server.config import PassivePorts
from support.ftps import Ftps, ImplicitSocket

DEADLINE = 10.0
PASSWORD = "correct horse"
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)

# Below those that the kernel takes for outgoing connections, and Kubernetes for node ports.
_PORTS = range(12000, 28000)
_NOT_MEANT = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_SIGNS = x509.KeyUsage(
    key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False, **dict.fromkeys(_NOT_MEANT, False)
)


def wait_for(condition: Callable[[], object], what: str = "the condition", seconds: float = DEADLINE) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {seconds} s"
        time.sleep(0.01)


def free_ports(count: int) -> int:
    """The first of so many consecutive ports that nobody has."""
    while True:
        # At random: other runs look for ports at the same time.
        first = secrets.choice(_PORTS)
        with suppress(OSError):
            for port in range(first, first + count):
                socket.create_server(("0.0.0.0", port)).close()
            return first


@dataclass
class Pki:
    """Certificates of one authority."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    name: x509.Name = field(default_factory=lambda: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")]))

    def issue(self, *, days: int = 30) -> tuple[bytes, bytes]:
        """A certificate for loopback and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost")]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
        certificate = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def root(self) -> bytes:
        """The authority's own certificate."""
        certificate = (
            self._builder(self.name, self.key.public_key(), 30)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_SIGNS, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=days))
            # Python 3.13 and later take no certificate without (VERIFY_X509_STRICT).
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )


@dataclass
class Setup:
    """The files of one server."""

    directory: Path
    explicit: int
    implicit: int
    admin: int
    passive: PassivePorts

    @property
    def storage(self) -> Path:
        return self.directory / "storage"

    def configure(self, **changes: object) -> None:
        self.write(
            "config/server.json",
            {
                "explicit": {"port": self.explicit},
                "implicit": {"port": self.implicit},
                "adminPort": self.admin,
                "storageDirectory": str(self.storage),
            }
            | changes,
        )

    def announce(self, address: str | None = "127.0.0.1", **changes: object) -> None:
        self.write("config/address.json", {"default": {"address": address} if address else None} | changes)

    def users(self, *users: dict[str, object]) -> None:
        self.write("users/users.json", {"users": users})

    def certify(self, certificate: bytes, key: bytes) -> None:
        self.write_bytes("tls/tls.crt", certificate)
        self.write_bytes("tls/tls.key", key)

    def write(self, path: str, content: object) -> None:
        self.write_bytes(path, json.dumps(content).encode())

    def write_bytes(self, path: str, content: bytes) -> None:
        target = self.directory / path
        target.parent.mkdir(exist_ok=True)
        fresh = target.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(target)


def user(name: str = "alice", **changes: object) -> dict[str, object]:
    return {"name": name, "passwordHash": PASSWORD_HASH, "homeDirectory": f"/{name}"} | changes


class ImplicitFtps(ImplicitSocket, Ftps):
    """TLS from the first byte."""


@dataclass
class Clients:
    """Makes clients that verify the server's certificate."""

    setup: Setup
    authority: bytes
    made: list[ftplib.FTP] = field(default_factory=list)

    def context(self, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.decode())
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def connect(self, version: ssl.TLSVersion | None = None, host: str = "127.0.0.1") -> Ftps:
        """An explicit session, connected."""
        client = Ftps(context=self.context(version), timeout=DEADLINE)
        self.made.append(client)
        client.connect(host, self.setup.explicit)
        return client

    def login(self, name: str = "alice", password: str = PASSWORD, *, version: ssl.TLSVersion | None = None) -> Ftps:
        """An explicit session, logged in, with PROT P."""
        client = self.connect(version)
        client.login(name, password)
        client.prot_p()
        return client

    def plain(self) -> ftplib.FTP:
        """An explicit session, in clear."""
        client = ftplib.FTP(timeout=DEADLINE)
        self.made.append(client)
        client.connect("127.0.0.1", self.setup.explicit)
        return client

    def implicit(self, version: ssl.TLSVersion | None = None) -> ImplicitFtps:
        """An implicit session; PBSZ and PROT have not been sent."""
        client = ImplicitFtps(context=self.context(version), timeout=DEADLINE)
        self.made.append(client)
        client.connect("127.0.0.1", self.setup.implicit)
        client._prot_p = True
        return client

    def raw_implicit(self) -> ssl.SSLSocket:
        """An implicit session's connection."""
        raw = socket.create_connection(("127.0.0.1", self.setup.implicit), timeout=DEADLINE)
        return self.context().wrap_socket(raw, server_hostname="localhost")

    def metric(self, line: str) -> float | None:
        """The value of a metric by its full name and labels."""
        for text in self.get("metrics")[1].splitlines():
            name, _, value = text.rpartition(" ")
            if name == line:
                return float(value)
        return None

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of the admin port's answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.setup.admin}/{path}", timeout=DEADLINE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
