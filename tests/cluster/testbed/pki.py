"""The cluster's certificates."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testbed.kubeconfig import write_kubeconfig

_LIFETIME = datetime.timedelta(days=30)
_USAGES = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that writes into one folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """Make the authority: ca.crt, and a key pair sa.key, sa.pub for service account tokens."""
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder("testbed", None, key.public_key(), issuer=_name("testbed", None))
        certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            key, hashes.SHA256()
        )
        (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        account_key = ec.generate_private_key(ec.SECP256R1())
        _write_key(folder / "sa.key", account_key)
        (folder / "sa.pub").write_bytes(
            account_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return cls(folder, key, certificate)

    def issue(self, file: str, name: str, *, group: str | None = None, names: tuple[str, ...] = ()) -> None:
        """Write FILE.crt and FILE.key for a user or a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, group, key.public_key(), issuer=self.certificate.subject).add_extension(
            x509.ExtendedKeyUsage(_USAGES), critical=False
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general_name(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        (self.folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(self.folder / f"{file}.key", key)

    def kubeconfig(self, path: Path, server: str, *, user: dict[str, str]) -> None:
        """Write a kubeconfig; `user` has a kubeconfig user's own fields."""
        write_kubeconfig(path, server, (self.folder / "ca.crt").read_bytes(), user=user)

    def client(self, file: str) -> dict[str, str]:
        """A kubeconfig user with a certificate issued before."""
        return {
            "client-certificate": str(self.folder / f"{file}.crt"),
            "client-key": str(self.folder / f"{file}.key"),
        }


def _builder(
    name: str, group: str | None, key: ec.EllipticCurvePublicKey, *, issuer: x509.Name
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name, group))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _LIFETIME)
        # No authority's key identifier: many clusters' certificates have none, and clients must do without.
    )


def _name(name: str, group: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
