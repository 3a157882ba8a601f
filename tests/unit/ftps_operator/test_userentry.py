from ftps_operator.kinds import FTPS_USER, SERVICE
from ftps_operator.tenants import UserReason
from ftps_operator.userentry import read, secrets_of_users
from support.samples import ftps_user_body


def test_a_user_that_cannot_be_read_says_why_without_what_was_given():
    entry = read(ftps_user_body("dora", "blue", homeDirectory="/../x"))
    assert entry.user is None
    assert entry.problem is not None
    assert entry.problem.reason is UserReason.INVALID_SPEC
    assert "'..'" in entry.problem.message


def test_the_secret_that_is_named_is_of_the_user_s_namespace():
    assert secrets_of_users(FTPS_USER, ftps_user_body("dora", "blue")) == {("blue", "dora")}
    carol = ftps_user_body("carol", "blue", clientCertificate={"subject": "carol"})
    assert secrets_of_users(FTPS_USER, carol) == set()


def test_other_objects_have_no_users():
    assert secrets_of_users(SERVICE, {"metadata": {"namespace": "blue", "name": "dora"}}) == set()
