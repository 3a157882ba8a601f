"""The server's command, but what nobody needs to wait for takes less time."""

import sys
from collections.abc import Callable

from ftps_server import admin, drain, server
from ftps_server.__main__ import main
from ftps_server.protocol import expectation
from ftps_server.protocol.session import ExplicitSession

_SECONDS = (
    (server, "POLL_SECONDS", 0.02),
    (server, "SWEEP_SECONDS", 0.05),
    (server, "DRAIN_POLL_SECONDS", 0.02),
    (drain, "IDLE_SECONDS", 0.5),
    (admin, "CLOSE_SECONDS", 0.01),
    (expectation, "GRACE_SECONDS", 0.1),
    (ExplicitSession, "auth_failed_timeout", 0.05),
)


def hurry(change: Callable[[object, str, float], None]) -> None:
    """Look more often at what changes, and at what takes too long."""
    for target, name, seconds in _SECONDS:
        change(target, name, seconds)


if __name__ == "__main__":
    hurry(setattr)
    sys.exit(main())
