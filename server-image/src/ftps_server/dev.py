"""A server for a developer's own machine: everything that it needs is made up, and gone when it ends."""

import datetime
import ipaddress
import json
import secrets
import shlex
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ftps_server.config import ConfigError, PassivePorts
from ftps_server.standalone import TomlSources, hash_password

USER = "dev"
LIFETIME = datetime.timedelta(days=30)
_CONFIGURATION, _CERTIFICATE, _PRIVATE_KEY = "ftps-server.toml", "tls.crt", "tls.key"
_PASSIVE_PORTS = PassivePorts(first=50000, last=50019)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it listens."""

    explicit: int = 2121
    implicit: int = 9990
    admin: int = 8080
    passive: PassivePorts = _PASSIVE_PORTS

    @classmethod
    def starting_at(cls, first: int) -> "Ports":
        """As many, one after the other."""
        return cls(first, first + 1, first + 2, PassivePorts(first=first + 3, last=first + 22))


@dataclass(frozen=True, slots=True)
class Development:
    """A server's made-up files, and what one must know to use it."""

    sources: TomlSources
    directory: Path
    """What is served."""
    folder: Path
    """Where the made-up files are."""
    ports: Ports
    password: str = field(repr=False)

    def greeting(self) -> str:
        """What a person at a terminal is told: also the commands to try."""
        authority, user = shlex.quote(str(self.folder / _CERTIFICATE)), f"{USER}:{self.password}"
        explicit, implicit = f"ftp://localhost:{self.ports.explicit}", f"ftps://localhost:{self.ports.implicit}"
        lftp = f"set ssl:ca-file {authority}; set ftp:ssl-force yes; set ftp:ssl-protect-data yes"
        return f"""\
Serving {self.directory}, to read and to write, on this machine only. Ctrl-C ends it.

  user           {USER}
  password       {self.password}
  explicit TLS   {explicit}
  implicit TLS   {implicit}
  certificate    {self.folder / _CERTIFICATE}
  settings       {self.folder / _CONFIGURATION}
  metrics        http://localhost:{self.ports.admin}/metrics

List, upload, download:

  curl --ssl-reqd --cacert {authority} --user {user} {explicit}/
  curl --ssl-reqd --cacert {authority} --user {user} {explicit}/ --upload-file FILE
  curl --cacert {authority} --user {user} {implicit}/FILE --remote-name
  lftp -u {USER},{self.password} -e {shlex.quote(lftp)} {explicit}
"""


@contextmanager
def development(directory: Path, ports: Ports) -> Iterator[Development]:
    """Make the files of a server for a directory; they are removed in the end. Raises ConfigError."""
    if not directory.is_dir():
        raise ConfigError(f"{directory}: not a directory")
    directory, password = directory.resolve(), secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory(prefix="ftps-server-") as temporary:
        folder = Path(temporary)
        certificate, private_key = self_sign(["localhost", "127.0.0.1", "::1", socket.gethostname()])
        (folder / _CERTIFICATE).write_bytes(certificate)
        (folder / _PRIVATE_KEY).write_bytes(private_key)
        (folder / _CONFIGURATION).write_text(_settings(directory, ports, password), encoding="utf-8")
        yield Development(TomlSources(folder / _CONFIGURATION), directory, folder, ports, password)


def self_sign(names: list[str]) -> tuple[bytes, bytes]:
    """A certificate for DNS names and IP addresses that its own key signed, and the key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _settings(directory: Path, ports: Ports, password: str) -> str:
    """The configuration file."""
    return f"""\
storage_directory = {_quoted(str(directory))}
listen_addresses = {json.dumps(_loopback())}
admin_port = {ports.admin}
drain_seconds = 0

[explicit]
port = {ports.explicit}

[implicit]
port = {ports.implicit}

[passive]
first_port = {ports.passive.first}
last_port = {ports.passive.last}

[tls]
certificate = "{_CERTIFICATE}"
private_key = "{_PRIVATE_KEY}"
# Also for clients that do not resume sessions, like Python's ftplib; other machines cannot connect anyway.
data_session_reuse = "Preferred"

[[users]]
name = "{USER}"
password_hash = "{hash_password(password)}"
home_directory = "/"
"""


def _loopback() -> list[str]:
    """This machine's addresses that no other reaches."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:  # a kernel without IPv6
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


def _quoted(text: str) -> str:
    """A string of TOML: as in JSON, but for one character. Raises ConfigError for what is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{text!r}: not a name in UTF-8") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
