"""`address.json`: what PASV announces."""

from typing import Self

from pydantic import Field, model_validator

from ftps_server.config.base import Model, Network


class Announced(Model):
    """An address that PASV announces: one that is named here or in a variable, or the one that was connected to."""

    address: str | None = Field(default=None, min_length=1)
    """An IPv4 address, or a host name (resolved, refreshed)."""
    environment: str | None = Field(default=None, min_length=1)
    """Name of an environment variable with the address (a pod's `status.hostIP` reaches it this way)."""
    local: bool = False
    """The address of the control connection's own end: right where no load balancer and no NAT stands before it."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if [self.address is not None, self.environment is not None, self.local].count(True) != 1:
            raise ValueError("address, environment, local: exactly one must be set")
        return self


class AddressOverride(Model):
    """Clients of these networks are told another address."""

    cidrs: tuple[Network, ...] = Field(min_length=1)
    address: str = Field(min_length=1)


class AddressConfig(Model):
    """The first override that holds the client's address wins."""

    default: Announced | None = None
    """None: not known yet; PASV is answered 425, EPSV (which needs no address) works."""
    overrides: tuple[AddressOverride, ...] = ()
