"""Bandwidth: of a user, and of the server, over TLS."""

import threading
import time

import pytest

from features.harness import at_once, begun, home
from unit.ftps_server.harness import user

KIB = 1 << 10
RATE = 1000 * KIB
SECONDS = 1.2
TOLERANCE = 0.2


@pytest.fixture
def serve(setup, start):
    def serve(users=(), **bandwidth: int) -> None:
        setup.users(*users or [user()])
        setup.configure(limits={"bandwidth": bandwidth})
        start()

    return serve


def down(client, moved):
    """Download until the time is over."""
    with begun(client, "RETR big") as connection:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            moved.append(len(connection.recv(64 * KIB)))


def up(client, moved):
    """Upload a file that takes the time, and a bit, as what is sent is not yet received."""
    with begun(client, "STOR file") as connection:
        connection.sendall(bytes(int(RATE * SECONDS)))
        connection.unwrap()
    client.voidresp()
    moved.append(int(RATE * SECONDS))


def rate_of(*transfers) -> float:
    """Bytes a second of all of them together."""
    moved: list[int] = []
    begin = time.monotonic()
    at_once([lambda transfer=transfer: transfer(moved) for transfer in transfers])
    return sum(moved) / (time.monotonic() - begin)


def about(rate):
    return pytest.approx(rate, rel=TOLERANCE)


@pytest.fixture
def sparse(setup):
    for name in ("alice", "bob"):
        with (home(setup, name) / "big").open("wb") as big:
            big.truncate(1 << 30)


def test_uploads_and_downloads_of_a_user_keep_to_their_rates_at_the_same_time(clients, serve, sparse):
    serve([user(bandwidth={"upload": RATE, "download": 2 * RATE})])
    rates = at_once(
        [
            lambda: rate_of(lambda moved: up(clients.login(), moved)),
            lambda: rate_of(lambda moved: down(clients.login(), moved)),
        ]
    )
    assert rates == [about(RATE), about(2 * RATE)]


def test_the_sessions_of_a_user_share_its_rate_and_others_have_their_own(clients, serve, sparse):
    serve([user(bandwidth={"download": RATE}), user("bob", bandwidth={"download": 2 * RATE})])
    alice, bob = [clients.login() for _ in range(3)], clients.login("bob")
    rates = at_once(
        [
            lambda: rate_of(*(lambda moved, client=client: down(client, moved) for client in alice)),
            lambda: rate_of(lambda moved: down(bob, moved)),
        ]
    )
    assert rates == [about(RATE), about(2 * RATE)]


def test_the_server_has_a_rate_in_all(clients, serve, sparse):
    serve([user(bandwidth={"download": 10 * RATE}), user("bob")], download=RATE)
    sessions = [clients.login(), clients.login("bob"), clients.login("bob")]
    assert rate_of(*(lambda moved, client=client: down(client, moved) for client in sessions)) == about(RATE)


def test_other_sessions_answer_while_one_is_held_to_its_rate(clients, serve, sparse):
    serve([user(bandwidth={"download": RATE})])
    slow, other = clients.login(), clients.login()
    moved: list[int] = []
    transfer = threading.Thread(target=down, args=(slow, moved))
    transfer.start()
    waits = []
    while transfer.is_alive():
        begin = time.monotonic()
        other.voidcmd("NOOP")
        waits.append(time.monotonic() - begin)
    assert sorted(waits)[len(waits) * 99 // 100] < 0.1


def test_a_new_rate_holds_for_the_transfer_that_is_under_way(clients, setup, serve, sparse):
    serve(download=RATE)
    client = clients.login()
    with begun(client, "RETR big") as connection:
        connection.recv(1)
        setup.configure(limits={"bandwidth": {"download": 8 * RATE}})
        received, begin = 0, time.monotonic()
        while received < 8 * RATE:
            received += len(connection.recv(64 * KIB))
        # At the old rate it would take eight seconds.
        assert time.monotonic() - begin < 3
