"""Who is not let in for a while."""

import pytest

from ftps_server import bans
from ftps_server.bans import Bans
from ftps_server.config import BanConfig

THREE_A_MINUTE = BanConfig(failures=3, seconds=60)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def banned(clock):
    return Bans(THREE_A_MINUTE, monotonic=clock)


def fail(bans, address="192.0.2.1", times=3):
    return [bans.failed(address) for _ in range(times)]


def test_so_many_failures_ban_an_address_and_no_other(banned):
    assert fail(banned) == [False, False, True]
    assert banned.is_banned("192.0.2.1")
    assert not banned.is_banned("192.0.2.2")


def test_a_banned_address_is_let_in_after_the_time_and_begins_anew(banned, clock):
    fail(banned)
    clock.now += 59.9
    assert banned.is_banned("192.0.2.1")
    clock.now += 0.1
    assert not banned.is_banned("192.0.2.1")
    assert fail(banned) == [False, False, True]


def test_a_session_that_is_open_yet_and_fails_again_prolongs_the_ban(banned, clock):
    fail(banned)
    clock.now += 50
    assert banned.failed("192.0.2.1")
    clock.now += 50
    assert banned.is_banned("192.0.2.1")


def test_failures_that_are_farther_apart_ban_nobody(banned, clock):
    for _ in range(20):
        assert not banned.failed("192.0.2.1")
        clock.now += 30


def test_one_user_s_ipv6_addresses_count_as_one(banned):
    assert not banned.failed("2001:db8:1:2::1")
    assert not banned.failed("2001:db8:1:2:ffff::2")
    assert banned.failed("2001:db8:1:2:3::")
    assert banned.is_banned("2001:db8:1:2::4")
    assert not banned.is_banned("2001:db8:1:3::1")


def test_ipv4_addresses_in_ipv6_s_form_are_what_they_are(banned):
    fail(banned, "::ffff:192.0.2.1")
    assert banned.is_banned("192.0.2.1")
    assert not banned.is_banned("::ffff:192.0.2.2")


def test_without_a_limit_nobody_is_banned():
    free = Bans(None)
    assert fail(free, times=1000) == [False] * 1000
    assert not free.is_banned("192.0.2.1")


def test_new_limits_count_for_what_has_failed_before(banned):
    fail(banned, times=2)
    banned.replace(BanConfig(failures=2, seconds=60))
    assert banned.is_banned("192.0.2.1")
    banned.replace(BanConfig(failures=4, seconds=60))
    assert not banned.is_banned("192.0.2.1")
    assert fail(banned, times=2) == [False, True]
    banned.replace(None)
    banned.replace(THREE_A_MINUTE)
    assert not banned.is_banned("192.0.2.1")


def test_only_so_many_addresses_are_remembered_the_last_that_failed(banned, monkeypatch):
    monkeypatch.setattr(bans, "MAX_ADDRESSES", 2)
    fail(banned, "192.0.2.1")
    fail(banned, "192.0.2.2")
    fail(banned, "192.0.2.1", times=1)
    fail(banned, "192.0.2.3")
    assert [banned.is_banned(f"192.0.2.{host}") for host in (1, 2, 3)] == [True, False, True]


def test_who_has_not_failed_for_the_time_is_forgotten(banned, clock):
    fail(banned, "192.0.2.1")
    clock.now += 30
    fail(banned, "192.0.2.2")
    clock.now += 30
    fail(banned, "192.0.2.3")
    assert list(banned._failures) == ["192.0.2.2", "192.0.2.3"]
