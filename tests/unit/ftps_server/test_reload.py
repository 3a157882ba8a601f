"""Changed files are noticed, once, and bad ones tried again."""

import pytest

from ftps_server.config import ConfigError
from ftps_server.metrics import Metrics
from ftps_server.reload import Reloader, WatchedFiles


class Watch:
    """One watched file."""

    def __init__(self, path):
        self.path = path
        self.path.write_text("first")
        self.loads = []
        self.problem = None
        self.metrics = Metrics()
        self.reloader = Reloader([WatchedFiles("file", (path,), self._load)], self.metrics)

    def _load(self):
        self.loads.append(self.path.read_text() if self.path.exists() else None)
        if self.problem:
            raise ConfigError(self.problem)

    def count(self, outcome):
        return self.metrics.registry.get_sample_value("ftps_server_reloads_total", {"file": "file", "outcome": outcome})


@pytest.fixture
def watch(tmp_path):
    return Watch(tmp_path / "file")


def test_what_has_not_changed_is_not_read(watch):
    watch.reloader.poll()
    assert watch.loads == []


def test_a_change_is_read_once(watch):
    watch.path.write_text("second one")
    watch.reloader.poll()
    watch.reloader.poll()
    assert watch.loads == ["second one"]
    assert watch.count("ok") == 1


def test_a_link_to_another_file_is_a_change(watch, tmp_path):
    (tmp_path / "other").write_text("other")
    watch.path.unlink()
    watch.path.symlink_to(tmp_path / "other")
    watch.reloader.poll()
    assert watch.loads == ["other"]


def test_a_failure_is_told_once_and_tried_again_until_it_works(watch, caplog):
    watch.path.write_text("broken")
    watch.problem = "file: bad"
    for _ in range(3):
        watch.reloader.poll()
    assert watch.count("failed") == 1
    assert caplog.text.count("reload failed") == 1
    watch.problem = None
    watch.reloader.poll()
    watch.reloader.poll()
    assert watch.loads == ["broken"] * 4
    assert watch.count("ok") == 1


def test_a_file_that_is_gone_is_a_change(watch):
    watch.path.unlink()
    watch.reloader.poll()
    assert watch.loads == [None]
