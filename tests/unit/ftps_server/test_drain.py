"""When sessions end."""

from dataclasses import dataclass, field

from ftps_server.drain import Drain


@dataclass
class Session:
    last_active: float = 0.0
    is_busy: bool = False
    told: list[str] = field(default_factory=list)

    def end(self, text):
        self.told.append(text)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_idle_sessions_end_and_others_do_not():
    idle, active, busy = Session(last_active=95.0), Session(last_active=95.1), Session(is_busy=True)
    Drain(seconds=25, monotonic=Clock()).end_idle([idle, active, busy])
    assert idle.told == ["This server is about to end; connect again."]
    assert active.told == busy.told == []


def test_it_is_over_without_sessions():
    drain = Drain(seconds=25, monotonic=Clock())
    assert drain.is_over(0)
    assert not drain.is_over(1)


def test_it_is_over_at_the_deadline():
    clock = Clock()
    drain = Drain(seconds=25, monotonic=clock)
    clock.now = 124.9
    assert not drain.is_over(1)
    clock.now = 125.0
    assert drain.is_over(1)
