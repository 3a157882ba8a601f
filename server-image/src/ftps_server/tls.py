"""TLS contexts from certificate and key files."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from ftps_server.config import CERTIFICATE_FILE, PRIVATE_KEY_FILE, SERVER_FILE, ConfigError, TlsConfig, TlsVersion

_VERSIONS = {TlsVersion.TLS_1_2: SSL.TLS1_2_VERSION, TlsVersion.TLS_1_3: SSL.TLS1_3_VERSION}


@dataclass(frozen=True, slots=True)
class Identity:
    """What sessions are served with: a context, and when its certificate expires."""

    context: SSL.Context
    not_after: datetime.datetime


def load_identity(directory: Path, config: TlsConfig) -> Identity:
    """Read certificate and key as a pair. Raises ConfigError; so it does between the two writes of a renewal."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[config.min_version])
    # RFC 9325: no compression (CRIME), no renegotiation; RFC 4217 needs neither.
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    if config.ciphers is not None:
        _set_ciphers(context, config.ciphers, directory / SERVER_FILE)
    certificate = directory / CERTIFICATE_FILE
    not_after = _use_certificate(context, certificate)
    _use_key(context, directory / PRIVATE_KEY_FILE, certificate)
    return Identity(context, not_after)


def _set_ciphers(context: SSL.Context, ciphers: str, file: Path) -> None:
    try:
        context.set_cipher_list(ciphers.encode())
    except SSL.Error:
        raise ConfigError(f"{file}: tls.ciphers: OpenSSL knows none of these ciphers") from None


def _use_certificate(context: SSL.Context, file: Path) -> datetime.datetime:
    try:
        leaf, *chain = x509.load_pem_x509_certificates(_read(file))
        context.use_certificate(leaf)
        for certificate in chain:
            context.add_extra_chain_cert(certificate)
    except (ValueError, SSL.Error):
        raise ConfigError(f"{file}: not a certificate in PEM format") from None
    return leaf.not_valid_after_utc


def _use_key(context: SSL.Context, file: Path, certificate: Path) -> None:
    try:
        context.use_privatekey(load_pem_private_key(_read(file), password=None))
        context.check_privatekey()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{file}: not a private key in PEM format, without password") from None
    except SSL.Error:
        raise ConfigError(f"{file}: not the private key of {certificate}") from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
