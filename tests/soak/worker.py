"""One client after the other, from an address of its own, with a folder of its own: what must be in it is known."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from soak.client import Client
from soak.content import Content
from soak.figures import Figures, Lateness
from soak.scene import ACCOUNTS, PASSWORD, Account, Scene

MAX_FILES = 5
_NAMES = [f"f{number}" for number in range(3 * MAX_FILES)]
_LONGEST_PAUSE = 1.0


class Pace:
    """Keeps this process to a share of a processor: the server and others need some, too."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._wall, self._used = time.monotonic(), time.process_time()

    def pause(self, stopped: threading.Event, rng: random.Random) -> None:
        """As long as it takes; never so long that a session would be idle."""
        ahead = (time.process_time() - self._used) / self._share - (time.monotonic() - self._wall)
        stopped.wait(min(_LONGEST_PAUSE, max(0.0, ahead)) + rng.random() * 0.02)


class Worker:
    """Does one thing after the other. `files` is what may be in its folder: None stands for no file."""

    def __init__(
        self, number: int, seed: int, *, scene: Scene, figures: Figures, pace: Pace, lateness: Lateness
    ) -> None:
        self.name = f"w{number}"
        self.rng = random.Random(f"{seed} {number}")  # noqa: S311 - the same each time
        self.account: Account = ACCOUNTS[number % len(ACCOUNTS)]
        self.address = f"127.1.{number // 250}.{number % 250 + 1}"
        self.scene = scene
        self.figures = figures
        self.files: dict[str, set[Content | None]] = {}
        self.cut: set[str] = set()
        """Files whose uploads were cut off: what there was of them is kept."""
        self.stopped = threading.Event()
        self.client: Client | None = None
        self._pace = pace
        self._lateness = lateness

    # Sessions

    def connect(self, *, implicit: bool | None = None, source: str | None = None) -> Client:
        """A session of a random kind, not logged in."""
        rng, setup = self.rng, self.scene.setup
        implicit = rng.random() < 0.4 if implicit is None else implicit
        must_resume = self.account.must_resume
        resumes = must_resume or rng.random() < 0.5
        # Over IPv6 all have one address: a session that takes who does not resume might get somebody else.
        is_ipv6 = must_resume and source is None and self.scene.has_ipv6 and rng.random() < 0.2
        client = Client(
            rng.choice(self.scene.contexts),
            setup.implicit if implicit else setup.explicit,
            source="::1" if is_ipv6 else source or self.address,
            implicit=implicit,
            resumes=resumes,
            host="::1" if is_ipv6 else "127.0.0.1",
        )
        client.extended = rng.random() < 0.5
        self.client = client
        self.figures.count(sessions=1)
        return client

    @contextmanager
    def session(self, *, implicit: bool | None = None) -> Iterator[Client]:
        """One that is logged in, in the worker's folder. However it ends, the sockets are closed."""
        client = self.connect(implicit=implicit)
        try:
            client.login(self.account.name, PASSWORD)
            client.prot_p()
            client.cwd(self.name)
            client.voidcmd("TYPE I")
            yield client
        finally:
            self.figures.count(resumed=client.resumed)
            client.close()

    # Files

    @property
    def folder(self) -> Path:
        return self.scene.home(self.account.name) / self.name

    def certain(self) -> dict[str, Content]:
        """The files that are there for sure."""
        return {name: one for name, contents in self.files.items() if len(contents) == 1 for one in contents if one}

    def new_name(self) -> str:
        """Of a file that is not there."""
        # Of a few, so that what is kept of uploads that were cut off is replaced some time.
        return self.rng.choice([name for name in _NAMES if name not in self.files])

    def before(self, name: str) -> set[Content | None]:
        """What a file may be now."""
        return self.files.get(name, {None})

    def is_now(self, name: str, *contents: Content | None) -> None:
        """One of these is what a file is from now on."""
        self.files[name] = set(contents)
        if self.files[name] == {None}:
            del self.files[name]

    def choose(self) -> tuple[str, Content] | None:
        """A file that is there for sure."""
        certain = self.certain()
        return self.rng.choice(sorted(certain.items())) if certain else None

    def target(self) -> str:
        """Where to upload to: a new file, or one that is there, when they are many enough."""
        if self.files and (len(self.files) >= MAX_FILES or self.rng.random() < 0.5):
            return self.rng.choice(sorted(self.files))
        return self.new_name()

    # Life

    def do(self, kind: str, action: Callable[["Worker"], None]) -> None:
        """Do something, and take note of how it went."""
        self.client = None
        what = action.__name__
        try:
            action(self)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            dialogue = self.client.dialogue if self.client is not None else ()
            self.figures.fail(
                f"{self.name} {self.address} {self.account.name}",
                what,
                error,
                dialogue=dialogue,
                starved=self._lateness.lately,
            )
        else:
            self.figures.did(kind, what)
        finally:
            if self.client is not None:
                with suppress(OSError):
                    self.client.close()

    def run(self, choose: Callable[[random.Random], tuple[str, Callable[["Worker"], None]]]) -> None:
        """Until `stopped`."""
        while not self.stopped.is_set():
            self.do(*choose(self.rng))
            self._pace.pause(self.stopped, self.rng)
