"""Home directories: inside the storage, whatever links say."""

import pytest

from ftps_server.storage import OutsideStorageError, Storage


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "volume"
    path.mkdir()
    return path


def test_missing_directories_are_made(root):
    assert Storage(root).home("/a/b") == root / "a/b"
    assert (root / "a/b").is_dir()
    assert Storage(root).home("/a/b") == root / "a/b"


def test_the_root_itself_can_be_a_home(root):
    assert Storage(root).home("/") == root


def test_a_link_within_the_storage_is_followed(root):
    (root / "team").mkdir()
    (root / "alice").symlink_to("team")
    assert Storage(root).home("/alice/files") == root / "team/files"


def test_a_link_out_of_the_storage_is_refused_and_nothing_made_behind_it(root, tmp_path):
    (tmp_path / "outside").mkdir()
    (root / "alice").symlink_to(tmp_path / "outside")
    with pytest.raises(OutsideStorageError):
        Storage(root).home("/alice/files")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_in_the_way_is_an_error(root):
    (root / "alice").write_bytes(b"")
    with pytest.raises(OSError, match="exists"):
        Storage(root).home("/alice")


def test_a_missing_volume_is_not_made(tmp_path):
    with pytest.raises(FileNotFoundError):
        Storage(tmp_path / "unmounted").home("/alice")
