"""A session that waits for its data connection: who comes, who is turned away, and when it is over."""

import pytest

from ftps_server.config import DataSessionReuse
from ftps_server.protocol.expectation import AMBIGUOUS, GRACE_SECONDS, NOBODY_CAME, NOT_RESUMED, Expectation

SECONDS = 30


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Candidate:
    closed = False

    def close(self):
        self.closed = True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    """What the session has heard."""
    return []


@pytest.fixture
def expectation(clock, told):
    return Expectation(
        None,
        address="192.0.2.1",
        port=50000,
        reuse=DataSessionReuse.REQUIRED,
        seconds=SECONDS,
        failed=told.append,
        ended=told.append,
        monotonic=clock,
    )


def test_it_ends_when_nobody_comes(expectation, clock, told):
    expectation.sweep(clock.now + SECONDS - 0.1)
    assert expectation.open
    expectation.sweep(clock.now + SECONDS)
    expectation.sweep(clock.now + SECONDS + 1)
    assert told == [expectation, NOBODY_CAME]
    assert expectation.closed


def test_who_completes_its_handshake_first_is_the_one(expectation, told):
    # The first has sent what it has recorded of the second's last connection, and can do no more.
    recorder, owner = Candidate(), Candidate()
    expectation.try_out(recorder)
    expectation.try_out(owner)
    assert expectation.fulfil(owner)
    assert (recorder.closed, owner.closed) == (True, False)
    assert told == [expectation]
    assert not expectation.fulfil(recorder)


def test_candidates_end_with_it(expectation, clock):
    candidate = Candidate()
    expectation.try_out(candidate)
    expectation.sweep(clock.now + SECONDS)
    assert candidate.closed


def test_after_one_that_was_turned_away_the_client_has_a_while_to_come(expectation, clock, told):
    expectation.blame(NOT_RESUMED)
    expectation.sweep(clock.now + GRACE_SECONDS - 0.1)
    owner = Candidate()
    expectation.try_out(owner)
    assert expectation.fulfil(owner)
    assert told == [expectation]


def test_should_it_not_come_the_answer_says_what_was_wrong(expectation, clock, told):
    expectation.blame(NOT_RESUMED)
    expectation.sweep(clock.now + GRACE_SECONDS)
    assert told == [expectation, NOT_RESUMED]


def test_who_is_turned_away_again_and_again_does_not_lengthen_the_wait(expectation, clock, told):
    expectation.blame(NOT_RESUMED)
    began, clock.now = clock.now, clock.now + GRACE_SECONDS / 2
    expectation.blame(AMBIGUOUS)
    expectation.sweep(began + GRACE_SECONDS)
    assert told == [expectation, AMBIGUOUS]


def test_who_is_turned_away_late_does_not_lengthen_it_either(expectation, clock, told):
    began, clock.now = clock.now, clock.now + SECONDS - 0.1
    expectation.blame(NOT_RESUMED)
    expectation.sweep(began + SECONDS)
    assert told == [expectation, NOT_RESUMED]


def test_a_session_that_needs_it_no_more_hears_of_nothing(expectation, clock, told):
    expectation.close()
    expectation.fail(NOT_RESUMED)
    expectation.sweep(clock.now + SECONDS)
    assert told == [expectation]


def test_the_stream_that_was_made_ahead_is_for_one_connection(expectation):
    class Session:
        made = 0

        def data_stream(self):
            self.made += 1
            return self.made

    expectation.session = Session()
    expectation.prepare()
    assert expectation.session.made == 1
    assert [expectation.take_stream(), expectation.take_stream()] == [1, 2]
