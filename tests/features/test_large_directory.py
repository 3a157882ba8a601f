"""A directory with very many files is listed, and nobody waits for it."""

import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.harness import begun, rest
from unit.ftps_server.harness import user

FILES = 100_000
PATIENCE_SECONDS = 0.1


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> Iterator[Path]:
    """A directory with empty files of one inode: that is quickly made."""
    directory = tmp_path_factory.mktemp("storage") / "alice"
    directory.mkdir()
    # A file has 65,000 names at most.
    for number in range(FILES):
        name = f"{directory}/file-{number:06}"
        if number % 50_000 == 0:
            first = name
            os.close(os.open(first, os.O_CREAT))
        else:
            os.link(first, name)
    yield directory
    shutil.rmtree(directory)  # pytest keeps the folders of several runs


@pytest.fixture
def served(crowded, setup, launch):
    setup.configure(storageDirectory=str(crowded.parent))
    setup.users(user(), user("bob"))
    launch()


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("command", ["LIST", "NLST", "MLSD", "STAT"])
def test_a_listing_of_100_000_files_holds_nobody_up(clients, command):
    lister, other = clients.login(), clients.login("bob")
    lister.sock.settimeout(60)
    names: list[int] = []

    def list_all() -> None:
        if command == "STAT":
            names.append(lister.sendcmd("STAT /").count("file-"))
            return
        with begun(lister, command) as connection:
            names.append(rest(connection).count(b"file-"))
        lister.voidresp()

    listing = threading.Thread(target=list_all)
    listing.start()
    waits = []
    while listing.is_alive():
        begin = time.monotonic()
        other.voidcmd("NOOP")
        waits.append(time.monotonic() - begin)
    listing.join()
    assert names == [FILES]
    assert len(waits) > 5
    assert statistics.quantiles(waits, n=100)[98] < PATIENCE_SECONDS
    assert max(waits) < 5 * PATIENCE_SECONDS
