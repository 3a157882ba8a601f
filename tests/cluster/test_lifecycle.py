"""The embedded cluster itself: two nodes, a crash, the next start, and nothing left at the end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.polling import eventually
from testbed.embedded import Embedded
from testbed.paths import Instance

NAME = "ftps-life"

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.skipif(os.environ.get("CLUSTER") == "current", reason="there is no embedded cluster to start"),
]


@pytest.fixture
def instance() -> Embedded:
    embedded = Embedded(Instance(NAME))
    yield embedded
    embedded.down()


def run_testbed(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "testbed", *words],
        env=os.environ | {"TESTBED_NAME": NAME},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def ready_nodes() -> list[str]:
    kubectl = [str(Path(__file__).with_name("kubectl")), "get", "nodes", "--no-headers"]
    done = subprocess.run(kubectl, env=os.environ | {"TESTBED_NAME": NAME}, capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line.split()[1] == "Ready"]


def test_two_nodes_start_survive_a_crash_and_leave_nothing(instance: Embedded):
    started = run_testbed("up", "--nodes", "2")
    assert started.returncode == 0, started.stderr
    assert ready_nodes() == ["node0", "node1"]
    before = instance.supervisor.processes()

    for process in before:
        os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not any(process.is_alive() for process in before), seconds=10)
    again = run_testbed("up", "--nodes", "2")
    assert again.returncode == 0, again.stderr
    assert "Removing what an earlier run left" in again.stdout
    assert ready_nodes() == ["node0", "node1"]

    ended = run_testbed("down")
    assert ended.returncode == 0, ended.stderr
    assert instance.remains() == []
    assert NAME not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert NAME not in Path("/proc/self/mountinfo").read_text()


def test_the_executables_say_so_when_no_cluster_is_up():
    for name, words in (("kubectl", ["get", "nodes"]), ("helm", ["list"]), ("client", ["true"]), ("logs", [])):
        done = subprocess.run(
            [str(Path(__file__).with_name(name)), *words],
            env=os.environ | {"TESTBED_NAME": "nobody"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr == "No cluster is up: start one with `make demo`.\n"


def test_who_is_not_root_is_told_in_one_sentence():
    words = [sys.executable, "-m", "testbed", "up"]
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", *words],
        env=os.environ | {"TESTBED_NAME": NAME},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "testbed: the embedded cluster needs root: namespaces, mounts and containers are made\n"
