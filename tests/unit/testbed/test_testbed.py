"""The test bed's own pure parts; the rest is shown by starting clusters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import build, images
from testbed.controllers import free_address
from testbed.errors import TestbedError
from testbed.shell import run, run_logged
from testbed.supervise import Process


def test_the_first_free_address_of_the_pool_is_given():
    assert free_address([]) == "203.0.113.10"
    assert free_address(["203.0.113.10", "203.0.113.12"]) == "203.0.113.11"


def test_a_pid_that_was_used_again_is_not_taken_for_ours():
    ours = subprocess.Popen(["sleep", "60"])
    try:
        assert not Process("sleep", ours.pid, "0").is_alive()
    finally:
        ours.kill()
        ours.wait()


def test_a_failed_program_is_one_sentence():
    with pytest.raises(TestbedError, match="`ls /nonexistent` failed: .*No such file"):
        run(["ls", "/nonexistent"])


def test_a_failed_build_names_its_log(tmp_path: Path):
    log = tmp_path / "build.log"
    with pytest.raises(TestbedError, match=str(log)):
        run_logged(["sh", "-c", "echo broken; exit 1"], log)
    assert log.read_text() == "broken\n"


def test_missing_go_is_one_sentence(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", "from testbed import build; build.ensure()"],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "TestbedError: Go is missing" in done.stderr


def test_cache_keys_are_stable():
    assert build.key() == build.key()
    assert images.project_key("ftps-server") != images.project_key("ftps-operator")
    assert build.kubernetes_version().startswith("v1.")
