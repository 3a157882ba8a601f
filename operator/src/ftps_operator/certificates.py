"""X.509: what a certificate says of itself, and a self-signed one."""

import datetime
import ipaddress
from dataclasses import dataclass
from enum import Enum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

WARN_BEFORE = datetime.timedelta(days=14)
WARN_AT_LAST_PART = 6
"""Of a short life only so small a part is worth a warning: cert-manager renews when a third of it is left."""
LIFETIME = datetime.timedelta(days=90)
RENEW_BEFORE = datetime.timedelta(days=30)
_COMMON_NAME_LIMIT = 64  # RFC 5280, ub-common-name


class Lifetime(Enum):
    """How much of a certificate's life is left."""

    GOOD = "good"
    ENDING = "ending"
    """So little that whoever renews it is late."""
    OVER = "over"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says of itself."""

    not_before: datetime.datetime
    not_after: datetime.datetime
    issuer: str
    fingerprint: str
    """SHA-256, hexadecimal."""
    names: frozenset[str]
    """DNS names and IP addresses."""

    @property
    def ends_soon_at(self) -> datetime.datetime:
        """When a warning is due."""
        return self.not_after - min(WARN_BEFORE, (self.not_after - self.not_before) / WARN_AT_LAST_PART)

    def lifetime(self, now: datetime.datetime) -> Lifetime:
        """How much is left."""
        if now >= self.not_after:
            return Lifetime.OVER
        return Lifetime.ENDING if now >= self.ends_soon_at else Lifetime.GOOD


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    private_key: bytes

    def __repr__(self) -> str:
        return "KeyPair(…)"


def inspect(certificate: bytes, private_key: bytes) -> CertificateFacts:
    """Read a PEM certificate and check that the key is its own. Raises ValueError that says what is wrong."""
    try:
        parsed = x509.load_pem_x509_certificate(certificate)
    except ValueError:
        raise ValueError("tls.crt holds no certificate in PEM format") from None
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("tls.key holds no private key in PEM format without a password") from None
    if _public_bytes(key.public_key()) != _public_bytes(parsed.public_key()):
        raise ValueError("tls.key is not the key of the certificate in tls.crt")
    return CertificateFacts(
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        issuer=parsed.issuer.rfc4514_string(),
        fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
        names=_names(parsed),
    )


def check_authorities(authorities: bytes, revoked: bytes | None) -> None:
    """Read who signs client certificates, and what they have revoked. Raises ValueError that says what is wrong."""
    try:
        x509.load_pem_x509_certificates(authorities)
    except ValueError:
        raise ValueError("ca.crt holds no certificates in PEM format") from None
    try:
        if revoked is not None:
            x509.load_pem_x509_crl(revoked)
    except ValueError:
        raise ValueError("ca.crl holds no certificate revocation list in PEM format") from None


def _public_bytes(key: object) -> bytes:
    encode = key.public_bytes  # type: ignore[attr-defined]
    result: bytes = encode(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return result


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(
        [
            *extension.value.get_values_for_type(x509.DNSName),
            *map(str, extension.value.get_values_for_type(x509.IPAddress)),
        ]
    )


def self_sign(names: list[str], *, now: datetime.datetime) -> KeyPair:
    """A P-256 key with a certificate that it signed itself, for DNS names and IP addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_COMMON_NAME_LIMIT])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks differ; a client's may be behind.
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        private_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def is_due(facts: CertificateFacts, names: list[str], *, now: datetime.datetime) -> bool:
    """Whether a self-signed certificate must be made anew."""
    return now >= facts.not_after - RENEW_BEFORE or not facts.names.issuperset(names)
