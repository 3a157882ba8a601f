"""The pool of passive ports."""

from ftps_server.protocol.ports import PassivePortPool


def test_each_port_is_handed_out_once():
    pool = PassivePortPool(range(50000, 50003))
    assert {pool.take() for _ in range(3)} == {50000, 50001, 50002}
    assert pool.take() is None
    assert (pool.in_use, pool.total) == (3, 3)


def test_the_port_longest_unused_comes_first():
    pool = PassivePortPool([50000, 50001])
    first = pool.take()
    pool.give_back(first)
    assert pool.take() != first
    assert pool.take() == first
