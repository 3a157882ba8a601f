"""Where the certificate comes from, and how TLS is served."""

from enum import IntEnum, StrEnum
from typing import Annotated

from pydantic import Field

from ftps_operator.models.base import VALIDATIONS, Model, ObjectName, Rule, exactly_one

DurationText = Annotated[
    str,
    Field(
        json_schema_extra={
            VALIDATIONS: [
                {"rule": "duration(self) >= duration('1m')", "message": "must be a duration of at least 1m, like 2160h"}
            ]
        }
    ),
]
"""A Go duration."""


class IssuerRef(Model):
    """A cert-manager issuer."""

    name: ObjectName
    kind: str = Field(default="Issuer", min_length=1)
    """Issuer, ClusterIssuer, or an external issuer's kind."""
    group: str = Field(default="cert-manager.io", min_length=1)


class KeyAlgorithm(StrEnum):
    """As in a Certificate."""

    ECDSA = "ECDSA"
    RSA = "RSA"


class KeyRotation(StrEnum):
    """As in a Certificate."""

    ALWAYS = "Always"
    NEVER = "Never"


class KeySize(IntEnum):
    """In bits: 256, 384, 521 for ECDSA; 2048, 3072, 4096 for RSA."""

    ECDSA_256 = 256
    ECDSA_384 = 384
    ECDSA_521 = 521
    RSA_2048 = 2048
    RSA_3072 = 3072
    RSA_4096 = 4096


class PrivateKey(Model):
    """The certificate's key. P-256 makes a login about a third cheaper than RSA-2048."""

    algorithm: KeyAlgorithm = KeyAlgorithm.ECDSA
    size: KeySize | None = None
    """256 for ECDSA and 2048 for RSA where nothing is said."""
    rotation_policy: KeyRotation = KeyRotation.ALWAYS

    rules = (
        Rule(
            "!has(self.size) || (self.algorithm == 'RSA') == (self.size >= 2048)",
            "size must be 256, 384 or 521 with ECDSA; 2048, 3072 or 4096 with RSA",
            lambda self: self.size is None or (self.algorithm is KeyAlgorithm.RSA) == (self.size >= 2048),
        ),
        # cert-manager would wait for a person, and tell nobody but its own events.
        Rule(
            "self.rotationPolicy == 'Always' || (self.algorithm == oldSelf.algorithm"
            " && has(self.size) == has(oldSelf.size) && (!has(self.size) || self.size == oldSelf.size))",
            "with rotationPolicy Never the key stays: algorithm and size cannot be changed",
        ),
    )


class CertManager(Model):
    """A certificate that cert-manager issues and renews."""

    issuer_ref: IssuerRef
    dns_names: list[str] = Field(default=[], max_length=100)
    """Where neither names nor addresses are given, the Service's names within the cluster."""
    ip_addresses: list[str] = Field(default=[], max_length=100)
    duration: DurationText | None = None
    """cert-manager's default is 2160h (90 days)."""
    renew_before: DurationText | None = None
    private_key: PrivateKey = PrivateKey()


class SelfSigned(Model):
    """A certificate that the operator signs itself. For development: no client can verify it."""


class TlsVersion(StrEnum):
    """Oldest version that is served."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class ClientAuthMode(StrEnum):
    """Whether clients show a certificate."""

    NONE = "None"
    OPTIONAL = "Optional"
    REQUIRED = "Required"


class UserFrom(StrEnum):
    """What in a client's certificate names the user."""

    COMMON_NAME = "CommonName"
    EMAIL_SAN = "EmailSAN"
    URI_SAN = "UriSAN"


class ClientAuth(Model):
    """Client certificates."""

    mode: ClientAuthMode = ClientAuthMode.NONE
    """With Required nobody connects without a certificate, whoever logs in by a password included."""
    ca_secret_name: ObjectName | None = None
    """Secret with the certificates of those who sign clients' certificates, in `ca.crt`, and perhaps with the list of
    what they have revoked, in `ca.crl`. The pods see nothing else of it."""
    user_from: UserFrom = UserFrom.COMMON_NAME
    """Which part of a certificate is compared with `users[].clientCertificate.subject`."""

    rules = (
        Rule(
            "self.mode == 'None' || has(self.caSecretName)",
            "mode Optional and Required need caSecretName",
            lambda self: self.mode is ClientAuthMode.NONE or self.ca_secret_name is not None,
        ),
    )

    @property
    def authorities(self) -> str | None:
        """The Secret that tells whose certificates are trusted; None where clients are not asked for any."""
        return None if self.mode is ClientAuthMode.NONE else self.ca_secret_name


class DataSessionReuse(StrEnum):
    """Whether a data connection must resume its control connection's TLS session."""

    REQUIRED = "Required"
    PREFERRED = "Preferred"
    OFF = "Off"


class Tls(Model):
    """TLS of control and data connections."""

    cert_manager: CertManager | None = None
    secret_name: ObjectName | None = None
    """A Secret of type kubernetes.io/tls that somebody else keeps."""
    self_signed: SelfSigned | None = None
    min_version: TlsVersion = TlsVersion.TLS_1_2
    ciphers: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_+!@=.-]+$")]] = Field(default=[], max_length=64)
    """OpenSSL cipher names for TLS 1.2, best first; empty for OpenSSL's own."""
    client_auth: ClientAuth = ClientAuth()
    data_session_reuse: DataSessionReuse = DataSessionReuse.REQUIRED
    """Required proves that a data connection is the client's own. Preferred also serves clients that do not resume
    sessions, like Python's ftplib, as long as both connections come from one address."""

    rules = (
        exactly_one(
            "cert_manager",
            "secret_name",
            "self_signed",
            message="exactly one of certManager, secretName, selfSigned must be set",
        ),
    )
