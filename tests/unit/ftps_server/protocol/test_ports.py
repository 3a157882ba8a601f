"""Which passive port a transfer gets."""

import pytest

from ftps_server.config import DataSessionReuse
from ftps_server.protocol.expectation import Expectation
from ftps_server.protocol.ports import PortsExhaustedError, PortTable

RANGE = range(50000, 50004)
HERE, THERE = "192.0.2.1", "192.0.2.2"


def wait_at(table, address, port=None):
    """Have a session wait, at the port that the table chooses or at another."""
    expectation = Expectation(
        None,
        address=address,
        port=table.choose(address) if port is None else port,
        reuse=DataSessionReuse.REQUIRED,
        seconds=30,
        failed=lambda _: None,
        ended=table.remove,
    )
    table.add(expectation)
    return expectation


def test_while_there_are_ports_each_transfer_has_one_to_itself():
    table = PortTable(RANGE, shared=True)
    waiting = [wait_at(table, HERE) for _ in RANGE]
    assert {each.port for each in waiting} == set(RANGE)
    assert (table.in_use, table.total) == (4, 4)


def test_ports_are_not_taken_in_the_order_of_their_numbers():
    # An attacker who knows the last one must guess the next.
    first = {PortTable(range(50000, 50100), shared=True).choose(HERE) for _ in range(20)}
    assert len(first) > 1


def test_a_port_that_was_just_used_is_taken_last():
    table = PortTable(RANGE, shared=True)
    used = []
    for _ in range(8):
        expectation = wait_at(table, HERE)
        used.append(expectation.port)
        expectation.close()
    assert used[:4] == used[4:]
    assert set(used) == set(RANGE)


def test_then_a_port_is_shared_where_nobody_of_the_address_waits():
    table = PortTable(RANGE, shared=True)
    for port in RANGE:
        wait_at(table, THERE if port == 50002 else HERE, port)
    assert table.choose(HERE) == 50002
    # Rather a crowd of others than one of one's own.
    wait_at(table, THERE, 50002)
    assert table.choose(HERE) == 50002
    wait_at(table, HERE, 50002)
    assert table.choose(HERE) != 50002


def test_many_of_one_address_are_spread():
    table = PortTable(RANGE, shared=True)
    for _ in range(64):
        wait_at(table, HERE)
    assert [len(table.waiting(port)) for port in RANGE] == [16] * 4


def test_ports_that_are_not_shared_are_exhausted_and_given_back():
    table = PortTable(RANGE, shared=False)
    waiting = [wait_at(table, HERE) for _ in RANGE]
    with pytest.raises(PortsExhaustedError):
        table.choose(THERE)
    waiting[2].close()
    assert table.choose(THERE) == waiting[2].port


def test_who_waits_at_a_port_is_known_as_long_as_it_waits():
    table = PortTable(RANGE, shared=True)
    first, second = wait_at(table, HERE, 50001), wait_at(table, THERE, 50001)
    assert table.waiting(50001) == [first, second]
    first.close()
    assert (table.waiting(50001), table.waiting(50000), table.in_use) == ([second], [], 1)
