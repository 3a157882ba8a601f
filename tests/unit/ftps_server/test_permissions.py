"""What a user may do where."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftps_server.config import DirectoryPermissions, Permissions, UserConfig
from ftps_server.permissions import Rights
from unit.ftps_server.harness import PASSWORD_HASH


def rights(permissions="ReadWrite", **directories):
    return of({f"/{path.replace('__', '/')}": value for path, value in directories.items()}, permissions)


def of(directories, permissions="ReadWrite"):
    return Rights(
        UserConfig(
            name="alice",
            password_hash=PASSWORD_HASH,
            home_directory="/alice",
            permissions=Permissions(permissions),
            directories=tuple(
                DirectoryPermissions(path=path, permissions=Permissions(value)) for path, value in directories.items()
            ),
        )
    )


def test_without_directories_the_user_s_permissions_hold_everywhere():
    assert rights("ReadOnly").at("/") == rights("ReadOnly").at("/a/b") == Permissions.READ_ONLY


def test_the_longest_path_that_holds_wins():
    user = rights("ReadOnly", a="ReadWrite", a__b__c="None")
    assert user.at("/") == user.at("/b") == Permissions.READ_ONLY
    assert user.at("/a") == user.at("/a/b") == user.at("/a/b/d") == Permissions.READ_WRITE
    assert user.at("/a/b/c") == user.at("/a/b/c/d") == Permissions.NONE


def test_a_directory_does_not_hold_for_names_that_begin_as_its_own():
    user = rights("ReadOnly", **{"in": "WriteOnly"})
    assert user.at("/in/box") == Permissions.WRITE_ONLY
    assert user.at("/inbox") == user.at("/i") == Permissions.READ_ONLY


@pytest.mark.parametrize("path", ["/in/", "//in", "/./in", "/in//."])
def test_a_path_may_be_written_in_other_ways_in_the_configuration(path):
    assert of({path: "WriteOnly"}).at("/in/x") == Permissions.WRITE_ONLY


def test_the_home_itself_may_be_among_the_directories():
    user = of({"/": "None", "/in": "WriteOnly"})
    assert user.at("/") == user.at("/other") == Permissions.NONE
    assert user.at("/in") == Permissions.WRITE_ONLY


def test_a_path_that_is_not_absolute_is_an_error():
    with pytest.raises(ValueError, match="not found"):
        of({"/in": "None"}).at("in")


PATHS = st.lists(st.sampled_from(["a", "b", "ab", "a b"]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.dictionaries(PATHS, st.sampled_from(Permissions)), PATHS)
def test_at_any_path_the_nearest_directory_decides(directories, path):
    holding = [directory for directory in directories if PurePosixPath(path).is_relative_to(directory)]
    expected = directories[max(holding, key=len)] if holding else Permissions.READ_WRITE
    assert of(directories).at(path) == expected
