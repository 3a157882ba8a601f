"""Certificates of clients, and what their authority has taken back."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from unit.ftps_server.harness import Pki


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate and its key, as a file."""

    certificate: x509.Certificate
    file: Path


def issue_client(
    authority: Pki, file: Path, *, common_name: str = "somebody", email: str | None = None, uri: str | None = None
) -> ClientCertificate:
    """Have an authority say who a client is."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = authority._builder(subject, key.public_key(), 30)
    names: list[x509.GeneralName] = [x509.RFC822Name(email)] if email else []
    names += [x509.UniformResourceIdentifier(uri)] if uri else []
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return ClientCertificate(certificate, file)


def revocations(authority: Pki, *revoked: ClientCertificate) -> bytes:
    """The list of what an authority has taken back."""
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.name,
        last_update=now - datetime.timedelta(hours=1),
        next_update=now + datetime.timedelta(days=1),
    )
    for each in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(
                serial_number=each.certificate.serial_number, revocation_date=now - datetime.timedelta(minutes=1)
            ).build()
        )
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
