"""Names in certificates, as the standard library gives them."""

import pytest

from ftps_server.clientcertificates import certificate_name
from ftps_server.config import UserFrom

CERTIFICATE = {
    "subject": ((("organizationName", "Partner"),), (("commonName", "alice"),)),
    "subjectAltName": (("DNS", "alice.example"), ("email", "alice@example.org"), ("URI", "spiffe://example.org/alice")),
}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (UserFrom.COMMON_NAME, "alice"),
        (UserFrom.EMAIL_SAN, "alice@example.org"),
        (UserFrom.URI_SAN, "spiffe://example.org/alice"),
    ],
)
def test_the_name_comes_from_where_it_is_looked_for(source, name):
    assert certificate_name(CERTIFICATE, source) == name
    assert certificate_name({}, source) is None


def test_two_names_are_none():
    twice = {"subject": ((("commonName", "alice"),), (("commonName", "bob"),))}
    assert certificate_name(twice, UserFrom.COMMON_NAME) is None
