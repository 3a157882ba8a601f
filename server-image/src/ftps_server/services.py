"""What every session of a process shares."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ftps_server.announce import Announcer
from ftps_server.bandwidth import BandwidthTable
from ftps_server.bans import Bans
from ftps_server.checksums import Checksums
from ftps_server.config import ServerConfig
from ftps_server.deadlines import Deadlines
from ftps_server.hooks import UploadHooks
from ftps_server.limits import Admission
from ftps_server.metrics import Metrics
from ftps_server.passwords import PasswordVerifier
from ftps_server.protocol.active import SourcePort
from ftps_server.protocol.arrivals import Arrivals
from ftps_server.protocol.buffers import Buffers
from ftps_server.protocol.passive import PassivePorts
from ftps_server.quota import Quotas
from ftps_server.storage import Storage
from ftps_server.tls import Identity
from ftps_server.users import Users


@dataclass(slots=True)
class Services:
    """One a process.

    `config` is replaced when limits change, `identity` when the certificate is renewed: sessions keep the certificate
    that they began with.
    """

    config: ServerConfig
    identity: Identity
    users: Users
    passwords: PasswordVerifier
    storage: Storage
    announcer: Announcer
    admission: Admission
    bans: Bans
    bandwidth: BandwidthTable
    quotas: Quotas
    checksums: Checksums
    hooks: UploadHooks | None
    passive: PassivePorts
    arrivals: Arrivals
    explicit_source: SourcePort | None
    implicit_source: SourcePort | None
    """Where active data connections come from; None without active mode."""
    buffers: Buffers
    deadlines: Deadlines
    kernel_tls: bool
    """Whether the kernel can encrypt downloads."""
    metrics: Metrics
    wall_clock: Callable[[], float] = time.time
