"""`address.json`: what PASV announces."""

from typing import Self

from pydantic import Field, model_validator

from ftps_server.config.base import Model, Network


class Announced(Model):
    """An address that PASV announces: an IPv4 address, a host name (resolved, refreshed), or a variable holding one."""

    address: str | None = Field(default=None, min_length=1)
    environment: str | None = Field(default=None, min_length=1)
    """Name of an environment variable with the address (a pod's `status.hostIP` reaches it this way)."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.address is None) == (self.environment is None):
            raise ValueError("address, environment: exactly one must be set")
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
