"""Who offers other protocols only was sent here by somebody else."""

import pytest

from ftps_server.protocol.alpn import is_acceptable


@pytest.mark.parametrize("offered", [(), ("ftp",), ("h2", "ftp-data"), ("x-filezilla-ftp",)])
def test_ftp_may_be_meant(offered):
    assert is_acceptable(offered)


@pytest.mark.parametrize("offered", [("h2", "http/1.1"), ("imap",), ("",)])
def test_ftp_is_not_meant(offered):
    assert not is_acceptable(offered)
