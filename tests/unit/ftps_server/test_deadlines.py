"""What has a deadline is looked at till it is over."""

from ftps_server.deadlines import Deadlines


class Timer:
    """Over at a time."""

    def __init__(self, at, *, closes=True):
        self.at = at
        self.closed = False
        self.seen = []
        self._closes = closes

    def sweep(self, now):
        self.seen.append(now)
        if self._closes and now >= self.at:
            self.closed = True


def test_each_is_asked_until_it_is_over():
    now = 10.0
    deadlines = Deadlines(monotonic=lambda: now)
    timers = [Timer(11), Timer(12)]
    for timer in timers:
        deadlines.add(timer)
    for now in (10.5, 11.0, 12.0, 13.0):  # noqa: B007 - the clock reads it
        deadlines.sweep()
    assert [timer.seen for timer in timers] == [[10.5, 11.0], [10.5, 11.0, 12.0]]


def test_what_ended_otherwise_is_forgotten_unasked():
    deadlines = Deadlines(monotonic=lambda: 1.0)
    timer = Timer(0)
    deadlines.add(timer)
    timer.closed = True
    deadlines.sweep()
    assert timer.seen == []
    assert deadlines._limited == []


def test_what_begins_during_a_sweep_is_not_lost():
    deadlines = Deadlines(monotonic=lambda: 1.0)
    later = Timer(9)

    class Successor(Timer):
        def sweep(self, now):
            super().sweep(now)
            deadlines.add(later)

    deadlines.add(Successor(0))
    deadlines.sweep()
    deadlines.sweep()
    assert later.seen == [1.0]
