"""Bounds on what clients may take, so that one cannot starve the others."""

from typing import Annotated

from pydantic import Field

from ftps_operator.models.base import Model, NotYet
from ftps_operator.models.users import Bandwidth


class Limits(Model):
    """Limits of one replica."""

    max_sessions: int | None = Field(default=None, ge=1)
    """Control connections at a time; no limit where nothing is said."""
    max_sessions_per_address: int | None = Field(default=None, ge=1)
    """Control connections at a time from one address; no limit where nothing is said."""
    max_login_attempts: int = Field(default=3, ge=1, le=100)
    """Failed logins after which a control connection is closed."""
    ban_seconds: Annotated[int | None, Field(ge=0), NotYet("banSeconds is not supported yet")] = None
    """How long an address is shut out after too many failed logins."""
    idle_timeout_seconds: int = Field(default=300, ge=1)
    """After so long without command and transfer a session is closed."""
    transfer_timeout_seconds: Annotated[
        int | None, Field(ge=1), NotYet("transferTimeoutSeconds is not supported yet")
    ] = None
    """After so long without a byte a transfer is aborted."""
    bandwidth: Annotated[Bandwidth | None, NotYet("bandwidth limits are not supported yet")] = None
    """For all sessions together."""
