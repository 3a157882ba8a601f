"""Checks passwords in threads: a good hash takes tens of milliseconds, in which a loop would serve nobody."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

THREADS = 2
"""More would only take the processor, and 19 MiB each, from the sessions that are logged in already."""

# Verified in place of an unknown user's hash, so that the time tells nobody which users there are.
_DUMMY = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash("")


class PasswordVerifier:
    """Verifies argon2id hashes. `post` brings an answer to where it was asked for."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._hasher = PasswordHasher()

    def verify(self, password_hash: str | None, password: str, answer: Callable[[bool], None]) -> None:
        """Check a password against a hash, None for a user who does not exist; `answer` is called in the loop."""

        def reply(done: Future[bool]) -> None:
            self._post(lambda: answer(done.result()))

        self._pool.submit(self._matches, password_hash, password).add_done_callback(reply)

    def close(self) -> None:
        """Take no more questions."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(password_hash or _DUMMY, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None
