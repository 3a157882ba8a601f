"""What stands in the place of the suite's own server: ours, whole, in a thread.

The suite sets attributes of pyftpdlib's handler before it starts a server. Those that we have a setting for are
translated. A test that changes any other cannot be run, and fails.
"""

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from argon2 import PasswordHasher

from ftps_server.config import PassivePorts, ServerConfig
from ftps_server.protocol.session import ExplicitSession
from ftps_server.server import Server
from ftps_server.sources import DirectorySources
from unit.ftps_server.harness import DEADLINE, Pki, Setup, free_ports, user, wait_for

ANONYMOUS_PASSWORD = "anonymous@"  # ftplib's
FAILED_LOGIN_SECONDS = 0.001  # the suite's
PASSIVE_PORTS = 4
LEAST_SECONDS = 0.5  # the suite's tenths would end a login on a busy machine
COUNTS = {"max_cons_per_ip": "max_sessions_per_address", "max_login_attempts": "max_login_attempts"}
SECONDS = {"timeout": "idle_timeout_seconds", "dtp_handler.timeout": "transfer_timeout_seconds"}
"""The suite's names for limits of ours."""
# The suite waits for no failed login, and we never go without TLS, whatever a test sets.
ALWAYS_SO = {"auth_failed_timeout", "ssl_protocol", "tls_control_required", "tls_data_required"}

pki = Pki()
_identity = cache(pki.issue)
_hash = cache(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash)


class Sources(DirectorySources):
    """The files, with time-outs that no file may set: some tests wait for a second at most."""

    limits: dict[str, float]

    def server(self) -> ServerConfig:
        settings = super().server()
        return settings.model_copy(update={"limits": settings.limits.model_copy(update=self.limits)})


class Ftpd:
    """`FtpdThreadWrapper`. The user's home is the working directory, as with the suite's own."""

    mode: ClassVar[str] = "explicit"
    running: ClassVar["Ftpd | None"] = None

    def __init__(self, address: tuple[str, int] | None = None) -> None:
        self.host = address[0] if address else "127.0.0.1"
        first = free_ports(3 + PASSIVE_PORTS)
        passive = PassivePorts(first=first + 3, last=first + 2 + PASSIVE_PORTS)
        self._files = Setup(Path.cwd().parents[1], first, first + 1, first + 2, passive)
        self.port = first if self.mode == "explicit" else first + 1
        self.handler, self.server = _defaults()

    def start(self) -> None:
        handler, server = _defaults()
        changes = _changes(self.handler, handler) | _changes(self.server, server)
        sources = self._configure({name: value for name, value in changes.items() if name not in ALWAYS_SO})
        self._server = Server(sources)
        self._delay, ExplicitSession.auth_failed_timeout = ExplicitSession.auth_failed_timeout, FAILED_LOGIN_SECONDS
        self.server.ioloop = self._server._loop
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        Ftpd.running = self

    def stop(self) -> None:
        """May be called again: some tests do."""
        if Ftpd.running is not self:
            return
        Ftpd.running = None
        try:
            # The test's clients have gone, so every session ends by itself.
            listeners = self._server._listeners
            wait_for(lambda: not any(listener.sessions for listener in listeners), "the end of all sessions")
        finally:
            self._server.stop("end of test")
            self._server.stop("end of test")
            self._thread.join(DEADLINE)
            ExplicitSession.auth_failed_timeout = self._delay
        assert not self._thread.is_alive()

    def _configure(self, settings: dict[str, Any]) -> Sources:
        limits: dict[str, float] = {}
        overrides: list[object] = []
        for name, value in settings.items():
            if name in COUNTS:
                limits[COUNTS[name]] = value
            elif name in SECONDS:
                limits[SECONDS[name]] = max(value, LEAST_SECONDS)
            elif name == "passive_ports":
                # One of them, as ours is a range.
                self._files.passive = _first_free(value)
            elif name == "masquerade_address_map":
                # By the server's address; ours goes by the client's, which is the same here.
                overrides += [{"cidrs": [str(ip_network(key))], "address": value[key]} for key in value]
            else:
                raise NotImplementedError(f"we have no setting like {name}")
        self._files.configure(active={"enabled": True})
        self._files.announce(overrides=overrides)
        self._files.certify(*_identity())
        self._files.users(
            user("user", passwordHash=_hash("12345")),
            user("anonymous", passwordHash=_hash(ANONYMOUS_PASSWORD), homeDirectory="/user", permissions="ReadOnly"),
        )
        sources = Sources(self._files.directory, self._files.passive)
        sources.limits = limits
        return sources


class ImplicitFtpd(Ftpd):
    """The same, at the port for implicit FTPS."""

    mode = "implicit"


def _first_free(ports: Iterable[int]) -> PassivePorts:
    for port in ports:
        with suppress(OSError):
            socket.create_server(("0.0.0.0", port)).close()
            return PassivePorts(first=port, last=port)
    raise OSError("all of these ports are taken")


def _defaults() -> tuple[SimpleNamespace, SimpleNamespace]:
    """The attributes of pyftpdlib's handler and server that tests change or read."""
    handler = SimpleNamespace(
        proto_cmds={name for name, details in ExplicitSession.proto_cmds.items() if details["auth"]},
        timeout=300,
        dtp_handler=SimpleNamespace(timeout=300),
        passive_dtp=SimpleNamespace(timeout=30),
        active_dtp=SimpleNamespace(timeout=30),
        max_login_attempts=3,
        masquerade_address_map={},
        passive_ports=None,
        permit_foreign_addresses=False,
        permit_privileged_ports=False,
    )
    return handler, SimpleNamespace(max_cons=0, max_cons_per_ip=0)


def _changes(settings: SimpleNamespace, defaults: SimpleNamespace, prefix: str = "") -> dict[str, Any]:
    changes = {}
    for name, value in vars(settings).items():
        default = getattr(defaults, name, None)
        if isinstance(default, SimpleNamespace):
            changes |= _changes(value, default, f"{name}.")
        elif value != default:
            changes[prefix + name] = value
    return changes
