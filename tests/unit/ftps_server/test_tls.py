"""Certificates and keys, and what is said of bad ones."""

import datetime
import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from ftps_server.config import ConfigError, TlsConfig, TlsVersion
from ftps_server.sources import DirectorySources
from ftps_server.tls import load_identity


def files(setup):
    return DirectorySources(setup.directory, setup.passive).files


def problem(setup, **config):
    with pytest.raises(ConfigError) as caught:
        load_identity(files(setup), TlsConfig(**config))
    return str(caught.value).removeprefix(f"{setup.directory}/")


def test_the_end_of_the_certificate_is_known(setup, pki):
    setup.certify(*pki.issue(days=7))
    left = load_identity(files(setup), TlsConfig()).not_after - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=6) < left <= datetime.timedelta(days=7)


def test_a_certificate_with_another_key_is_refused(setup, pki):
    setup.certify(pki.issue()[0], pki.issue()[1])
    assert problem(setup).startswith("tls/tls.key: not the private key of ")


def test_a_file_that_is_no_certificate_is_named(setup):
    setup.write_bytes("tls/tls.crt", b"nonsense")
    assert problem(setup) == "tls/tls.crt: not a certificate in PEM format"


def test_a_file_that_is_missing_is_named(setup):
    (setup.directory / "tls/tls.key").unlink()
    assert problem(setup) == "tls/tls.key: No such file or directory"


def test_a_key_with_a_password_is_refused(setup):
    key = ec.generate_private_key(ec.SECP256R1())
    protected = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    setup.write_bytes("tls/tls.key", protected)
    assert problem(setup) == "tls/tls.key: not a private key in PEM format, without password"


def test_unknown_ciphers_are_named_as_a_field(setup):
    sentence = "config/server.json: tls.ciphers: OpenSSL knows none of these ciphers"
    assert problem(setup, ciphers="NO-SUCH-CIPHER") == sentence


def test_the_oldest_version_is_configured(setup, start, clients):
    setup.configure(tls={"minVersion": TlsVersion.TLS_1_3})
    start()
    with pytest.raises(ssl.SSLError):
        clients.login(version=ssl.TLSVersion.TLSv1_2)
    assert clients.login(version=ssl.TLSVersion.TLSv1_3).nlst() == []


def test_ciphers_are_configured(setup, start, clients):
    setup.configure(tls={"ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"})
    start()
    client = clients.login(version=ssl.TLSVersion.TLSv1_2)
    assert client.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_intermediate_certificates_are_sent(setup, start, clients, pki):
    certificate, key = pki.issue()
    setup.certify(certificate + pki.root(), key)
    start()
    assert clients.login().nlst() == []
