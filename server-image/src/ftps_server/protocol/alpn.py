"""The protocols that TLS negotiates (RFC 7301). Who asks for others only was sent here by somebody else (ALPACA)."""

from collections.abc import Sequence

CONTROL, DATA = "ftp", "ftp-data"
PROTOCOLS = (CONTROL, DATA)


def is_acceptable(offered: Sequence[str]) -> bool:
    """Whether a client may mean FTP. FileZilla offers a name of its own for it, `x-filezilla-ftp`."""
    return not offered or any("ftp" in name for name in offered)
