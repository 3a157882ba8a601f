"""The list of users."""

from ftps_server.config import UsersConfig
from ftps_server.users import Users
from unit.ftps_server.harness import PASSWORD_HASH, user


def config(*names):
    return UsersConfig.model_validate({"users": [user(name) for name in names]})


def test_users_are_found_by_name():
    users = Users(config("alice", "bob"))
    assert users.find("bob").home_directory == "/bob"
    assert users.find("carol") is None


def test_a_new_list_replaces_the_old_one():
    users = Users(config("alice"))
    users.replace(config("bob"))
    assert users.find("alice") is None
    assert users.find("bob")


def test_the_decoy_is_the_hash_of_a_user():
    assert Users(config("alice")).decoy_hash("nobody") == PASSWORD_HASH
    assert Users(config()).decoy_hash("nobody") is None


def test_a_name_has_always_the_same_decoy():
    hashes = [f"$6$salt${number}" for number in range(50)]
    listed = [user(f"user{number}", passwordHash=text) for number, text in enumerate(hashes)]
    users = Users(UsersConfig.model_validate({"users": listed}))
    assert len({users.decoy_hash("nobody") for _ in range(20)}) == 1
    assert len({users.decoy_hash(f"nobody{number}") for number in range(50)}) > 10
