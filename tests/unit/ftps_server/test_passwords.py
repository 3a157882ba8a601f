"""Password checks: right, wrong, nobody's, unusable - each gets an answer."""

import queue
import threading

import pytest
from argon2 import PasswordHasher

from ftps_server import hashes, passwords
from ftps_server.passwords import PasswordVerifier
from unit.ftps_server.harness import DEADLINE, PASSWORD, PASSWORD_HASH


@pytest.fixture
def verifies():
    posted = queue.Queue()
    verifier = PasswordVerifier(posted.put)

    def ask(password_hash, password, **options):
        answers = []
        verifier.verify(password_hash, password, answers.append, **options)
        posted.get(timeout=DEADLINE)()
        return answers[0]

    yield ask
    verifier.close()


def test_the_right_password_matches(verifies):
    assert verifies(PASSWORD_HASH, PASSWORD)


def test_a_wrong_password_does_not_match(verifies):
    assert not verifies(PASSWORD_HASH, "wrong")


def test_a_user_who_does_not_exist_matches_nothing_not_even_the_decoy(verifies):
    assert not verifies(None, PASSWORD, decoy_hash=PASSWORD_HASH)
    assert not verifies(None, "")


def test_for_a_user_who_does_not_exist_as_much_is_computed(verifies, monkeypatch):
    checked = []
    monkeypatch.setattr(PasswordHasher, "verify", lambda _, password_hash, __: checked.append(password_hash))
    verifies(None, PASSWORD, decoy_hash=PASSWORD_HASH)
    verifies(None, PASSWORD)
    assert checked[0] == PASSWORD_HASH
    assert checked[1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_an_unusable_hash_matches_nothing(verifies):
    assert not verifies("$argon2id$nonsense", PASSWORD)


def test_an_unexpected_error_is_answered_by_no(verifies, monkeypatch, caplog):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(PasswordHasher, "verify", fail)
    assert not verifies(PASSWORD_HASH, PASSWORD)
    assert "password check failed" in caplog.text


def test_when_too_many_checks_wait_another_is_refused_until_one_is_answered(monkeypatch):
    checks = threading.Event()
    monkeypatch.setattr(hashes, "matches", lambda *_: checks.wait(DEADLINE))
    monkeypatch.setattr(passwords, "MAX_PENDING", 3)
    posted, answers = queue.Queue(), []
    verifier = PasswordVerifier(posted.put)
    assert [verifier.verify(PASSWORD_HASH, "", answers.append) for _ in range(4)] == [True, True, True, False]
    checks.set()
    for _ in range(3):
        posted.get(timeout=DEADLINE)()
    assert answers == [True, True, True]
    assert verifier.verify(PASSWORD_HASH, "", answers.append)
    verifier.close()
