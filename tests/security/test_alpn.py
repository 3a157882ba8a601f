"""Who means another protocol (RFC 7301) was sent here by somebody else, and is not served (ALPACA)."""

import ssl

import pytest

from security.harness import BOTH_VERSIONS, RefusedError, ask, data_of, failure, logged_in, offered

FOREIGN = ["h2", "http/1.1"]
OURS = [["ftp"], ["ftp-data"], ["x-filezilla-ftp", "ftp"], ["h2", "ftp"]]


@pytest.fixture(autouse=True)
def _running(server):
    """Every test here needs a server."""


@pytest.fixture
def offering(clients, monkeypatch):
    """Have all clients offer some protocols."""
    make = clients.context

    def begin(protocols):
        def context(version=None):
            made = make(version)
            made.set_alpn_protocols(protocols)
            return made

        monkeypatch.setattr(clients, "context", context)

    return begin


def explicit(clients, version):
    return clients.connect(version).auth()


def implicit(clients, version):
    return clients.implicit(version)


@BOTH_VERSIONS
@pytest.mark.parametrize("enter", [explicit, implicit])
def test_a_control_connection_that_means_another_protocol_is_refused(clients, offering, enter, version):
    offering(FOREIGN)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        enter(clients, version)
    assert clients.metric('ftps_server_tls_handshakes_total{version="TLSv1.2"}') is None
    assert clients.metric('ftps_server_tls_handshakes_total{version="TLSv1.3"}') is None


@BOTH_VERSIONS
@pytest.mark.usefixtures("impatient")
def test_a_data_connection_that_means_another_protocol_is_refused_though_it_resumes(clients, version):
    client = logged_in(clients, version=version)
    client.context.set_alpn_protocols(FOREIGN)
    port = offered(client)
    ask(client, "NLST")
    with data_of(client, port) as data, pytest.raises(RefusedError):
        data.shake_hands()
    assert data.first_answer == b""
    assert failure(client).startswith("522 ")
    client.context.set_alpn_protocols(["ftp-data"])
    assert client.nlst() == []


@BOTH_VERSIONS
@pytest.mark.parametrize("protocols", OURS, ids=" ".join)
def test_who_means_ftp_is_served(clients, offering, protocols, version):
    offering(protocols)
    client = logged_in(clients, version=version)
    agreed = next((name for name in protocols if name in {"ftp", "ftp-data"}), None)
    assert client.sock.selected_alpn_protocol() == agreed
    port = offered(client)
    ask(client, "NLST")
    with data_of(client, port) as data:
        assert data.download() == b""
        assert data.tls.tls.selected_alpn_protocol() == agreed
    assert client.getresp().startswith("226 ")
