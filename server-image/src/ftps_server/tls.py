"""TLS contexts from certificate and key files."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL

from ftps_server.config import CERTIFICATE_FILE, PRIVATE_KEY_FILE, ConfigError, TlsConfig, TlsVersion

_VERSIONS = {TlsVersion.TLS_1_2: SSL.TLS1_2_VERSION, TlsVersion.TLS_1_3: SSL.TLS1_3_VERSION}


@dataclass(frozen=True, slots=True)
class Identity:
    """What sessions are served with: a context, and when its certificate expires."""

    context: SSL.Context
    not_after: datetime.datetime


def load_identity(directory: Path, config: TlsConfig) -> Identity:
    """Read certificate and key as a pair. Raises ConfigError; so it does between the two writes of a renewal."""
    certificate, key = directory / CERTIFICATE_FILE, directory / PRIVATE_KEY_FILE
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[config.min_version])
    # RFC 9325: no compression (CRIME), no renegotiation; RFC 4217 needs neither.
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    if config.ciphers is not None:
        try:
            context.set_cipher_list(config.ciphers.encode())
        except SSL.Error:
            raise ConfigError("server.json: tls.ciphers: OpenSSL knows none of these ciphers") from None
    try:
        parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        context.use_certificate_chain_file(str(certificate))
    except (OSError, ValueError, SSL.Error):
        raise ConfigError(f"{certificate}: not a certificate in PEM format") from None
    try:
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except (OSError, SSL.Error):
        raise ConfigError(f"{key}: not the private key of {certificate}") from None
    return Identity(context, parsed.not_valid_after_utc)
