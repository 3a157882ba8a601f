"""The unit tests' server, in a thread."""

from unit.ftps_server.conftest import clients, identity, pki, server, setup, start

__all__ = ["clients", "identity", "pki", "server", "setup", "start"]
