"""How fast files are transferred."""

import gc
import heapq
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftps_server import bandwidth
from ftps_server.bandwidth import BandwidthTable, Bucket, Shaper
from ftps_server.config import Bandwidth, UserConfig
from unit.ftps_server.harness import PASSWORD_HASH

KB = 1024


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def user(name="alice", **rates):
    return UserConfig(name=name, password_hash=PASSWORD_HASH, home_directory="/", bandwidth=Bandwidth(**rates))


def moved(clock, shapers, *, seconds, part, late=lambda: 0.0):
    """What each of some transfers moves in a time: part by part, and as soon as it may, or a little later."""
    begin, totals = clock.now, [0] * len(shapers)
    wakes = [(clock.now, number) for number in range(len(shapers))]
    while wakes[0][0] < begin + seconds:
        clock.now, number = wakes[0]
        count = part()
        totals[number] += count
        wait = shapers[number].spend(count)
        heapq.heapreplace(wakes, (clock.now + (wait + late() if wait else 0.0), number))
    clock.now = max(clock.now, begin + seconds)
    return totals


@settings(max_examples=60, deadline=None)
@given(
    rate=st.integers(1024, 10**9),
    transfers=st.integers(1, 6),
    parts=st.lists(st.floats(0.1, 3), min_size=1, max_size=5),
    delays=st.lists(st.floats(0, 0.04), min_size=1, max_size=5),
)
def test_in_the_long_run_all_transfers_together_have_the_rate(rate, transfers, parts, delays):
    clock = Clock()
    bucket = Bucket(rate, monotonic=clock)
    sizes, lateness = itertools.cycle(parts), itertools.cycle(delays)
    totals = moved(
        clock,
        [Shaper([bucket])] * transfers,
        seconds=120,
        part=lambda: max(1, int(next(sizes) * bucket.quantum)),
        late=lambda: next(lateness),
    )
    # The last part of each is paid for afterwards.
    assert sum(totals) == pytest.approx(rate * 120, rel=0.02, abs=transfers * 3 * bucket.quantum)


def test_who_shares_a_rate_gets_as_much_as_the_others(clock):
    bucket = Bucket(100 * KB, monotonic=clock)
    totals = moved(clock, [Shaper([bucket])] * 4, seconds=60, part=lambda: bucket.quantum)
    assert totals == [pytest.approx(1500 * KB, rel=0.02)] * 4


def test_what_was_not_used_can_be_made_up_for_but_not_for_long(clock):
    bucket = Bucket(1000 * KB, monotonic=clock)
    clock.now += 3600
    assert bucket.spend(250 * KB) == 0.0
    assert bucket.spend(100 * KB) == pytest.approx(0.1)


def test_a_part_of_any_size_is_paid_for(clock):
    assert Bucket(1 * KB, monotonic=clock).spend(256 * KB) == pytest.approx(256)


def test_parts_are_so_small_that_waits_are_short_and_not_smaller_than_makes_sense():
    assert Bucket(1000 * KB).quantum == 50 * KB
    assert Bucket(1 * KB).quantum == 1 * KB
    assert Shaper([Bucket(None), Bucket(1000 * KB), Bucket(2000 * KB)]).quantum == 50 * KB


def test_a_changed_rate_holds_for_what_is_still_to_be_paid(clock):
    bucket = Bucket(1 * KB, monotonic=clock)
    bucket.spend(256 * KB)
    clock.now += 128
    bucket.rate = 256 * KB
    assert bucket.spend(0) == pytest.approx(0.5)
    bucket.rate = None
    assert bucket.spend(1 << 40) == 0.0
    clock.now += 3600
    bucket.rate = 1 * KB
    assert bucket.spend(1 * KB) == pytest.approx(1)


def test_of_several_rates_the_slowest_holds_and_all_are_charged(clock):
    slow, fast = Bucket(10 * KB, monotonic=clock), Bucket(1000 * KB, monotonic=clock)
    assert Shaper([slow, fast]).spend(100 * KB) == pytest.approx(10)
    assert fast.spend(0) == pytest.approx(0.1)


def test_without_any_limit_there_is_no_shaper():
    table = BandwidthTable(Bandwidth())
    assert table.upload(user()) is None
    assert table.download(user(upload=10 * KB)) is None
    table.replace(Bandwidth(download=10 * KB))
    assert table.download(user()) is not None


def test_a_user_s_sessions_share_the_rate_in_each_direction(clock):
    table = BandwidthTable(Bandwidth(), monotonic=clock)
    limited = user(upload=10 * KB, download=20 * KB)
    assert table.upload(limited).spend(10 * KB) == pytest.approx(1)
    assert table.upload(limited).spend(10 * KB) == pytest.approx(2)
    assert table.download(limited).spend(10 * KB) == pytest.approx(0.5)
    assert table.upload(user("bob", upload=10 * KB)).spend(10 * KB) == pytest.approx(1)


def test_users_share_the_server_s_rate(clock):
    table = BandwidthTable(Bandwidth(upload=10 * KB), monotonic=clock)
    assert table.upload(user("alice")).spend(10 * KB) == pytest.approx(1)
    assert table.upload(user("bob", upload=1000 * KB)).spend(10 * KB) == pytest.approx(2)


def test_new_limits_hold_for_running_transfers(clock):
    table = BandwidthTable(Bandwidth(), monotonic=clock)
    running = table.upload(user(upload=1000 * KB))
    table.replace(Bandwidth(upload=10 * KB))
    assert running.spend(10 * KB) == pytest.approx(1)
    table.replace(Bandwidth())
    assert running.spend(10 * KB) == pytest.approx(0.02)


def test_a_user_s_new_rate_holds_for_its_running_transfers(clock):
    table = BandwidthTable(Bandwidth(), monotonic=clock)
    running = table.upload(user(upload=1000 * KB))
    table.upload(user(upload=10 * KB))
    assert running.spend(10 * KB) == pytest.approx(1)


def test_a_session_for_each_file_is_no_way_around_the_rate(clock):
    table = BandwidthTable(Bandwidth(), monotonic=clock)
    waits = [table.upload(user(upload=10 * KB)).spend(10 * KB) for _ in range(3)]
    assert waits == pytest.approx([1, 2, 3])


def test_a_table_does_not_grow_with_the_users_who_were_there(monkeypatch):
    monkeypatch.setattr(bandwidth, "REMEMBERED", 3)
    table = BandwidthTable(Bandwidth())
    held = table.upload(user(upload=10 * KB))
    for number in range(100):
        table.upload(user(f"user-{number}", upload=10 * KB))
    gc.collect()
    assert set(table._upload._users) == {"alice", "user-97", "user-98", "user-99"}
    del held
