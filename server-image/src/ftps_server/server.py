"""Puts the server together: one process, one event loop, explicit and implicit FTPS."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from ftps_server import ktls, logs
from ftps_server.admin import BEAT_SECONDS, AdminServer, Heartbeat
from ftps_server.announce import REFRESH_SECONDS, Announcer
from ftps_server.bandwidth import BandwidthTable
from ftps_server.bans import Bans
from ftps_server.checksums import Checksums
from ftps_server.config import EXPLICIT_SOURCE_PORT, IMPLICIT_SOURCE_PORT, ConfigError, ServerConfig
from ftps_server.deadlines import SWEEP_SECONDS, Deadlines
from ftps_server.drain import Drain
from ftps_server.eventloop import EventLoop
from ftps_server.hooks import UploadHooks
from ftps_server.limits import Admission
from ftps_server.logs import event
from ftps_server.mailbox import Mailbox
from ftps_server.metrics import Metrics
from ftps_server.passwords import PasswordVerifier
from ftps_server.protocol.active import SourcePort
from ftps_server.protocol.alpn import PROTOCOLS
from ftps_server.protocol.arrivals import Arrivals
from ftps_server.protocol.buffers import Buffers
from ftps_server.protocol.listener import Listener
from ftps_server.protocol.passive import PassivePorts
from ftps_server.protocol.session import ExplicitSession, ImplicitSession
from ftps_server.protocol.sockets import listen
from ftps_server.quota import REFRESH_SECONDS as QUOTA_REFRESH_SECONDS
from ftps_server.quota import Quotas
from ftps_server.reload import POLL_SECONDS, Reloader, WatchedFiles
from ftps_server.services import Services
from ftps_server.sources import Files, Sources
from ftps_server.storage import Storage
from ftps_server.tls import load_identity
from ftps_server.users import Users

DRAIN_POLL_SECONDS = 0.2


class Server:
    """One FTPS server. Raises ConfigError when a file cannot be used, OSError when a port is taken."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._loop = EventLoop()
        self._mailbox = Mailbox(self._loop)
        self._drain: Drain | None = None
        self.running = False
        try:
            # Looked at before they are read: what changes meanwhile is read again at the first poll.
            watched = self._watched()
            self._services = self._build_services()
            self._reloader = Reloader(watched, self._services.metrics)
            self._heartbeat = Heartbeat()
            # Last, as ports are taken now.
            self._listeners = self._listen()
            settings = self._services.config
            self._admin = AdminServer(
                settings.admin_port,
                settings.admin_address,
                heartbeat=self._heartbeat,
                metrics=self._services.metrics,
            )
        except BaseException:
            self._loop.close()
            raise

    def _build_services(self) -> Services:
        sources, post = self._sources, self._mailbox.post
        settings, addresses, users = sources.server(), sources.addresses(), sources.users()
        identity = load_identity(sources.files, settings.tls, protocols=PROTOCOLS)
        metrics = Metrics()
        metrics.certificate_not_after.set(identity.not_after.timestamp())
        quotas, root = Quotas(post), Path(settings.storage_directory).resolve()
        metrics.watch_quotas(lambda: [(_inside(home, root), size, files) for home, size, files in quotas.used()])
        ports = sources.passive_ports
        limits = settings.limits
        return Services(
            config=settings,
            identity=identity,
            users=Users(users),
            passwords=PasswordVerifier(post),
            storage=Storage(Path(settings.storage_directory)),
            announcer=Announcer(addresses, post=post),
            admission=Admission(limits),
            bans=Bans(limits.ban),
            bandwidth=BandwidthTable(limits.bandwidth),
            quotas=quotas,
            checksums=Checksums(post),
            hooks=_hooks(sources.files, settings, metrics),
            passive=PassivePorts(
                range(ports.first, ports.last + 1),
                shared=settings.passive.shared_ports,
                loop=self._loop,
                metrics=metrics,
            ),
            arrivals=Arrivals(
                self._loop,
                metrics=metrics,
                proxies=settings.proxy_protocol,
                seconds=lambda: self._services.config.limits.handshake_timeout_seconds,
            ),
            explicit_source=SourcePort(EXPLICIT_SOURCE_PORT) if settings.active.enabled else None,
            implicit_source=SourcePort(IMPLICIT_SOURCE_PORT) if settings.active.enabled else None,
            buffers=Buffers(limits.turn_bytes),
            deadlines=Deadlines(),
            kernel_tls=ktls.is_supported(identity.context()),
            metrics=metrics,
        )

    def _listen(self) -> list[Listener]:
        settings = self._services.config
        listeners = []
        modes = ((settings.explicit, ExplicitSession), (settings.implicit, ImplicitSession))
        for mode, session in modes:
            if mode.enabled:
                for sock in listen(mode.port, settings.listen_addresses):
                    listeners.append(Listener(sock, session, services=self._services, loop=self._loop))
                    event("listening", mode=session.mode, address=_text(sock))
        self._services.passive.listen(settings.listen_addresses, self._services.arrivals)
        return listeners

    def _watched(self) -> list[WatchedFiles]:
        sources, files = self._sources, self._sources.files
        return [
            WatchedFiles("limits", (files.server,), self._load_limits),
            WatchedFiles("address", (files.addresses,), lambda: self._services.announcer.replace(sources.addresses())),
            WatchedFiles("users", (files.users,), lambda: self._services.users.replace(sources.users())),
            WatchedFiles(
                "certificate",
                (files.certificate, files.private_key, files.client_ca, files.client_crl),
                self._load_identity,
            ),
        ]

    def _load_identity(self) -> None:
        services = self._services
        old = services.identity
        new = load_identity(self._sources.files, services.config.tls, protocols=PROTOCOLS)
        if old.checks_revocation and not new.checks_revocation:
            # Else who deletes the list would let in whom it names.
            raise ConfigError(
                f"{self._sources.files.client_crl}: the revocation list is gone; restart to serve without"
            )
        services.identity = new
        old.close()
        services.metrics.certificate_not_after.set(services.identity.not_after.timestamp())

    def _load_limits(self) -> None:
        """Take the limits; all else in the file is settled at the start."""
        services, limits = self._services, self._sources.server().limits
        services.config = services.config.model_copy(update={"limits": limits})
        services.admission.replace(limits)
        services.bans.replace(limits.ban)
        services.bandwidth.replace(limits.bandwidth)
        services.buffers.resize(limits.turn_bytes)

    def run(self) -> None:
        """Serve until `stop`."""
        self._repeat(BEAT_SECONDS, self._beat)
        self._repeat(SWEEP_SECONDS, self._sweep)
        self._repeat(QUOTA_REFRESH_SECONDS, self._services.quotas.refresh)
        self._repeat(POLL_SECONDS, self._reloader.poll)
        self._repeat(REFRESH_SECONDS, self._services.announcer.refresh)
        self._admin.ready = self.running = True
        event("started", passive_ports=self._services.passive.total)
        # pyftpdlib's loop waits for a first socket before it looks at its timers: without a client the heartbeat would
        # never begin.
        self._mailbox.post(self._beat)
        try:
            self._loop.loop()
        finally:
            self._admin.close()
            self._close_services()
            self.running = False
            event("stopped")

    def _close_services(self) -> None:
        services = self._services
        services.passwords.close()
        services.checksums.close()
        services.quotas.shutdown()
        services.identity.close()
        if services.hooks is not None:
            services.hooks.close()

    def _beat(self) -> None:
        self._services.metrics.loop_lag.observe(self._heartbeat.beat())

    def _sweep(self) -> None:
        self._services.deadlines.sweep()
        self._services.arrivals.sweep(time.monotonic())

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


def _hooks(files: Files, settings: ServerConfig, metrics: Metrics) -> UploadHooks | None:
    if settings.hooks is None:
        return None
    try:
        key = files.hook_key.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{files.hook_key}: {error.strerror}") from None
    return UploadHooks(settings.hooks, key, metrics=metrics)


def _inside(home: Path, root: Path) -> str:
    """A home directory as the configuration names it."""
    return "/" + "/".join(home.relative_to(root).parts)


def _text(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
