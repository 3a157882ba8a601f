"""Checks passwords in threads: a good hash takes tens of milliseconds, in which a loop would serve nobody."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from argon2 import PasswordHasher

from ftps_server import hashes, logs

THREADS = 2
"""More would only take the processor, and 19 MiB each, from the sessions that are logged in already."""
MAX_PENDING = 256
"""Checks that wait for a thread: some seconds' worth. Who comes later would wait in vain."""

# For a server without users. Costs as much as the hashes that the operator makes.
_DECOY = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash("")


class PasswordVerifier:
    """Verifies hashes. `post` brings an answer to where it was asked for."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._pending = 0

    def verify(
        self, password_hash: str | None, password: str, answer: Callable[[bool], None], *, decoy_hash: str | None = None
    ) -> bool:
        """Check a password against a hash, None for a user who does not exist; `answer` is called in the loop.

        Where there is no hash, `decoy_hash` is verified for nothing: the time tells nobody which users there are.

        False when there are too many checks already: nothing was checked, and `answer` is not called.
        """
        if self._pending >= MAX_PENDING:
            return False
        self._pending += 1

        def reply(done: Future[bool]) -> None:
            if not done.cancelled():
                matches = done.result()
                self._post(lambda: self._answer(answer, matches=matches))

        self._pool.submit(_matches, password_hash, password, decoy_hash or _DECOY).add_done_callback(reply)
        return True

    def close(self) -> None:
        """Take no more questions."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _answer(self, answer: Callable[[bool], None], *, matches: bool) -> None:
        self._pending -= 1
        answer(matches)


def _matches(password_hash: str | None, password: str, decoy_hash: str) -> bool:
    try:
        matches = hashes.matches(password_hash or decoy_hash, password)
    except Exception:  # noqa: BLE001 - a boundary
        # Whatever it is, who asked must get an answer.
        logs.logger.exception("password check failed")
        return False
    return matches and password_hash is not None
