"""TLS contexts from certificate and key files."""

import datetime
import os
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ftps_server.config import ClientAuth, ConfigError, TlsConfig, TlsVersion
from ftps_server.sources import Files

_VERSIONS = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
}
READY_CONTEXTS = 32


class Identity:
    """A certificate and its key, as they were read: what becomes of the files later changes nothing here."""

    def __init__(self, files: Files, config: TlsConfig, *, protocols: Sequence[str] = ()) -> None:
        """Read certificate and key as a pair. Raises ConfigError; so it does between the two writes of a renewal."""
        self._config = config
        self._protocols = list(protocols)
        certificate, key = files.certificate, files.private_key
        chain, secret = _read(certificate), _read(key)
        leaf = _leaf(chain, certificate)
        _check_key(secret, key, leaf, certificate)
        self.not_after: datetime.datetime = leaf.not_valid_after_utc
        self.host_names = frozenset(name.lower() for name in _host_names(leaf))
        authorities, revoked = _client_authorities(files, config)
        self.checks_revocation = revoked is not None
        try:
            self._certified = self._build(chain.rstrip() + b"\n" + secret, authorities, revoked)
        except ssl.SSLError as error:
            # Well-formed, but more than OpenSSL takes: a key too small, a digest too weak.
            raise ConfigError(f"{certificate}: {error.reason or error}") from None
        self._ready = ReadyContexts(self._make)

    def context(self) -> ssl.SSLContext:
        """A context that nobody else has: what it resumes began in it."""
        return self._ready.take()

    def close(self) -> None:
        """Make no more contexts."""
        self._ready.close()

    def _build(self, pair: bytes, authorities: bytes | None, revoked: bytes | None) -> ssl.SSLContext:
        """The context that has certificate and key, and knows who signs the clients' certificates."""
        context = self._bare()
        with _pem(pair) as path:
            context.load_cert_chain(path)
        for content in (authorities, revoked):
            if content is not None:
                with _pem(content) as path:
                    context.load_verify_locations(path)
        if self._protocols:
            context.set_alpn_protocols(self._protocols)
        return context

    def _make(self) -> ssl.SSLContext:
        """A session's own context. To load the key into each would take five times as long as all the rest.

        OpenSSL asks about the server's name in each handshake, also when the client has told none. Whoever answers may
        change the context (SSL_set_SSL_CTX(3)): certificate and ALPN are the new one's then, tickets the old one's.
        """
        context = self._bare()
        context.sni_callback = self._certify
        return context

    def _certify(self, stream: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:  # noqa: ARG002
        stream.context = self._certified

    def _bare(self) -> ssl.SSLContext:
        config = self._config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[config.min_version]
        # RFC 9325: no compression (CRIME), no renegotiation; RFC 4217 needs neither.
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        if config.ciphers is not None:
            context.set_ciphers(config.ciphers)
        context.verify_mode = _VERIFY[config.client_auth.mode]
        if self.checks_revocation:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        return context


class ReadyContexts:
    """Makes contexts ahead of need, in a thread: each takes a tenth of a millisecond, and they come in crowds."""

    def __init__(self, make: Callable[[], ssl.SSLContext], count: int = READY_CONTEXTS) -> None:
        self._make = make
        self._count = count
        self._ready: deque[ssl.SSLContext] = deque()
        self._wanted = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def take(self) -> ssl.SSLContext:
        """A context of one's own."""
        try:
            context = self._ready.popleft()
        except IndexError:
            context = self._make()
        if len(self._ready) < self._count // 2 and not self._closed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="contexts", daemon=True)
                self._thread.start()
            self._wanted.set()
        return context

    def close(self) -> None:
        """Make no more."""
        self._closed = True
        self._wanted.set()

    def _run(self) -> None:
        while not self._closed:
            self._wanted.wait()
            self._wanted.clear()
            while len(self._ready) < self._count and not self._closed:
                self._ready.append(self._make())


@contextmanager
def _pem(content: bytes) -> Iterator[str]:
    """The path of a file in memory: OpenSSL wants a path, a key wants no disk."""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def load_identity(files: Files, config: TlsConfig, *, protocols: Sequence[str] = ()) -> Identity:
    """Read what sessions are served with; `protocols` is what ALPN may agree on. Raises ConfigError."""
    if config.ciphers is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ciphers(config.ciphers)
        except ssl.SSLError:
            raise ConfigError(f"{files.server}: tls.ciphers: OpenSSL knows none of these ciphers") from None
    return Identity(files, config, protocols=protocols)


def _leaf(chain: bytes, file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise ConfigError(f"{file}: not a certificate in PEM format") from None


def _check_key(secret: bytes, file: Path, leaf: x509.Certificate, certificate: Path) -> None:
    try:
        public = load_pem_private_key(secret, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{file}: not a private key in PEM format, without password") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ConfigError(f"{file}: not the private key of {certificate}")


def _host_names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _client_authorities(files: Files, config: TlsConfig) -> tuple[bytes | None, bytes | None]:
    """Who signs the clients' certificates, and what they have revoked."""
    if config.client_auth.mode is ClientAuth.NONE:
        return None, None
    authorities = _read(files.client_ca)
    _leaf(authorities, files.client_ca)
    if not files.client_crl.exists():
        return authorities, None
    revoked = _read(files.client_crl)
    try:
        x509.load_pem_x509_crl(revoked)
    except ValueError:
        raise ConfigError(f"{files.client_crl}: not a certificate revocation list in PEM format") from None
    return authorities, revoked


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
