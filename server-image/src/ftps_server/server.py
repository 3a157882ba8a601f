"""Puts the server together: one process, one event loop, explicit and implicit FTPS."""

import socket
from collections.abc import Callable
from pathlib import Path

from ftps_server import config, logs
from ftps_server.admin import BEAT_SECONDS, AdminServer, Heartbeat
from ftps_server.announce import REFRESH_SECONDS, Announcer
from ftps_server.config import AddressConfig, PassivePorts, ServerConfig, UsersConfig
from ftps_server.drain import Drain
from ftps_server.eventloop import EventLoop
from ftps_server.limits import Admission
from ftps_server.logs import event
from ftps_server.mailbox import Mailbox
from ftps_server.metrics import Metrics
from ftps_server.passwords import PasswordVerifier
from ftps_server.protocol.listener import Listener, listen
from ftps_server.protocol.ports import PassivePortPool
from ftps_server.protocol.session import ExplicitSession, ImplicitSession
from ftps_server.reload import POLL_SECONDS, Reloader, WatchedFiles
from ftps_server.services import Services
from ftps_server.storage import Storage
from ftps_server.tls import load_identity
from ftps_server.users import Users

DRAIN_POLL_SECONDS = 0.2


class Server:
    """One FTPS server. Raises ConfigError when a file cannot be used, OSError when a port is taken."""

    def __init__(self, directory: Path, passive_ports: PassivePorts) -> None:
        self._directory = directory
        self._loop = EventLoop()
        self._mailbox = Mailbox(self._loop)
        self._drain: Drain | None = None
        self.running = False
        # Looked at before they are read: what changes meanwhile is read again at the first poll.
        watched = self._watched()
        self._services = self._build_services(passive_ports)
        self._reloader = Reloader(watched, self._services.metrics)
        self._heartbeat = Heartbeat()
        # Last, as ports are taken now.
        self._listeners = self._listen()
        self._admin = AdminServer(
            self._services.config.admin_port, heartbeat=self._heartbeat, metrics=self._services.metrics
        )

    def _build_services(self, passive_ports: PassivePorts) -> Services:
        settings = config.read(ServerConfig, self._directory / config.SERVER_FILE)
        addresses = config.read(AddressConfig, self._directory / config.ADDRESS_FILE)
        users = config.read(UsersConfig, self._directory / config.USERS_FILE)
        identity = load_identity(self._directory, settings.tls)
        ports = PassivePortPool(range(passive_ports.first, passive_ports.last + 1))
        metrics = Metrics()
        metrics.passive_ports.set(ports.total)
        metrics.certificate_not_after.set(identity.not_after.timestamp())
        return Services(
            config=settings,
            identity=identity,
            users=Users(users),
            passwords=PasswordVerifier(self._mailbox.post),
            storage=Storage(Path(settings.storage_directory)),
            announcer=Announcer(addresses, post=self._mailbox.post),
            admission=Admission(settings.limits),
            ports=ports,
            metrics=metrics,
        )

    def _listen(self) -> list[Listener]:
        settings = self._services.config
        listeners = []
        modes = ((settings.explicit, ExplicitSession), (settings.implicit, ImplicitSession))
        for mode, session in modes:
            if mode.enabled:
                for sock in listen(mode.port):
                    listeners.append(Listener(sock, session, services=self._services, ioloop=self._loop))
                    event("listening", mode=session.mode, address=_text(sock))
        return listeners

    def _watched(self) -> list[WatchedFiles]:
        directory = self._directory
        addresses, users = directory / config.ADDRESS_FILE, directory / config.USERS_FILE
        pair = (directory / config.CERTIFICATE_FILE, directory / config.PRIVATE_KEY_FILE)
        return [
            WatchedFiles(
                "address",
                (addresses,),
                lambda: self._services.announcer.replace(config.read(AddressConfig, addresses)),
            ),
            WatchedFiles("users", (users,), lambda: self._services.users.replace(config.read(UsersConfig, users))),
            WatchedFiles("certificate", pair, self._load_identity),
        ]

    def _load_identity(self) -> None:
        services = self._services
        services.identity = load_identity(self._directory, services.config.tls)
        services.metrics.certificate_not_after.set(services.identity.not_after.timestamp())

    def run(self) -> None:
        """Serve until `stop`."""
        self._repeat(BEAT_SECONDS, self._heartbeat.beat)
        self._repeat(POLL_SECONDS, self._reloader.poll)
        self._repeat(REFRESH_SECONDS, self._services.announcer.refresh)
        self._admin.ready = self.running = True
        event("started", passive_ports=self._services.ports.total)
        # pyftpdlib's loop waits for a first socket before it looks at its timers: without a client the heartbeat would
        # never begin.
        self._mailbox.post(self._heartbeat.beat)
        try:
            self._loop.loop()
        finally:
            self._admin.close()
            self._services.passwords.close()
            self.running = False
            event("stopped")

    def _repeat(self, seconds: float, call: Callable[[], None]) -> None:
        """Call something every so often; pyftpdlib would cease to after an exception."""

        def guarded() -> None:
            try:
                call()
            except Exception:  # noqa: BLE001 - a boundary
                logs.logger.exception("call failed")

        self._loop.call_every(seconds, guarded)

    def stop(self, reason: str) -> None:
        """Let transfers finish, then end; at once when called again. Safe from any thread."""
        self._mailbox.post(lambda: self._loop.close() if self._drain else self._start_drain(reason))

    def _start_drain(self, reason: str) -> None:
        seconds = self._services.config.drain_seconds
        event("draining", reason=reason, seconds=seconds, sessions=self._services.admission.sessions)
        # The ports stay open: who connects is told to connect again, and probes still pass, or the Service would send
        # the data connections of open sessions nowhere.
        self._services.admission.draining = True
        self._services.metrics.draining.set(1)
        self._drain = Drain(seconds=seconds)
        self._repeat(DRAIN_POLL_SECONDS, self._continue_drain)
        self._continue_drain()

    def _continue_drain(self) -> None:
        assert self._drain is not None  # noqa: S101 - called by a drain only
        self._drain.end_idle([session for listener in self._listeners for session in listener.sessions])
        if self._drain.is_over(self._services.admission.sessions):
            event("drained", cut=self._services.admission.sessions)
            self._loop.close()


def _text(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
