"""Bounds on what clients may take, so that one cannot starve the others."""

from pydantic import Field

from ftps_operator.models.base import Model
from ftps_operator.models.users import Bandwidth


class Limits(Model):
    """Limits of one replica."""

    max_sessions: int | None = Field(default=None, ge=1)
    """Control connections at a time; no limit where nothing is said."""
    max_sessions_per_address: int | None = Field(default=None, ge=1)
    """Control connections at a time from one address; no limit where nothing is said."""
    max_login_attempts: int = Field(default=3, ge=1, le=100)
    """Failed logins after which a control connection is closed."""
    ban_failures: int = Field(default=10, ge=1, le=1000)
    """So many failed logins of one address within `banSeconds` shut it out."""
    ban_seconds: int | None = Field(default=None, ge=1)
    """For how long an address is shut out; none is where nothing is said. Behind a load balancer that hides the
    clients' addresses all of them are one."""
    idle_timeout_seconds: int = Field(default=300, ge=1)
    """After so long without command and transfer a session is closed."""
    transfer_timeout_seconds: int = Field(default=300, ge=1)
    """After so long without a byte a transfer is aborted."""
    bandwidth: Bandwidth | None = None
    """For all sessions together."""
