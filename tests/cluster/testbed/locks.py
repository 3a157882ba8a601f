"""Keeps two runs of the test bed from building the same thing, or starting the same cluster, at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.progress import step


@contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process however that ends. May not be nested for one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # The folder itself is locked: a file would have to be removed, and not while another waits for it.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"Waiting for another run that is {what}"):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
