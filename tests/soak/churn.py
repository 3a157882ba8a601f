"""The server's files are replaced all the time, by good ones and bad ones."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress

from ftps_server.config import TURN_BYTES
from soak.figures import Figures
from soak.scene import MIB, Scene, users

SECONDS = 2.0
_CERTIFICATES = 4


class Churn(threading.Thread):
    """It has its own thread."""

    def __init__(self, scene: Scene, figures: Figures, seed: int) -> None:
        super().__init__(name="churn", daemon=True)
        self._scene = scene
        self._figures = figures
        self._rng = random.Random(seed)  # noqa: S311 - the same each time
        self._pairs = [scene.pki.issue() for _ in range(_CERTIFICATES)]
        self._users = [users(), users(bandwidth=6 * MIB)]
        self._ended = threading.Event()

    def run(self) -> None:
        changes: tuple[Callable[[], None], ...] = (self.certificate, self.half_a_certificate, self.users, self.limits)
        while not self._ended.wait(SECONDS * self._rng.uniform(0.5, 1.5)):
            change = self._rng.choice((*changes, self.address, self.nonsense))
            with suppress(OSError):  # the folder is gone, the soak has ended
                change()
                self._figures.did("done", f"reload: {change.__name__}")

    def close(self) -> None:
        """End with good files."""
        self._ended.set()
        self.join()
        self.certificate()
        self.limits()
        self._scene.setup.announce()
        self._scene.setup.users(*self._users[0])

    def certificate(self) -> None:
        self._scene.setup.certify(*self._rng.choice(self._pairs))

    def half_a_certificate(self) -> None:
        """The server looks while one of the two is another's."""
        self._scene.setup.write_bytes("tls/tls.crt", self._rng.choice(self._pairs)[0])
        self._ended.wait(1.0)
        self.certificate()

    def users(self) -> None:
        self._scene.setup.users(*self._rng.choice(self._users))

    def limits(self) -> None:
        turn = self._rng.choice((1 << 16, 1 << 17, TURN_BYTES))
        bandwidth = self._rng.choice((None, 60 * MIB))
        self._scene.configure(turnBytes=turn, bandwidth={"upload": bandwidth, "download": bandwidth})

    def address(self) -> None:
        override = {"cidrs": ["192.0.2.0/24"], "address": "192.0.2.1"}
        self._scene.setup.announce(overrides=[override] * self._rng.randint(0, 1))

    def nonsense(self) -> None:
        """What was read before stands."""
        file = self._rng.choice(("users/users.json", "config/server.json", "config/address.json"))
        path = self._scene.setup.directory / file
        good = path.read_bytes()
        self._scene.setup.write_bytes(file, good[: self._rng.randrange(len(good))])
        self._ended.wait(1.0)
        self._scene.setup.write_bytes(file, good)
