"""What every session of a process shares."""

from dataclasses import dataclass, field

from ftps_server.announce import Announcer
from ftps_server.config import ServerConfig
from ftps_server.limits import Admission
from ftps_server.metrics import Metrics
from ftps_server.passwords import PasswordVerifier
from ftps_server.protocol.ports import PassivePortPool
from ftps_server.storage import Storage
from ftps_server.tls import Identity
from ftps_server.users import Users


@dataclass(slots=True)
class Services:
    """One a process. `identity` is replaced when the certificate is renewed: sessions keep the one they began with."""

    config: ServerConfig
    identity: Identity
    users: Users
    passwords: PasswordVerifier
    storage: Storage
    announcer: Announcer
    admission: Admission
    ports: PassivePortPool
    metrics: Metrics = field(default_factory=Metrics)
