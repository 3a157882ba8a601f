from typing import Any

import pytest

from ftps_operator.models import FtpsUser
from ftps_operator.tenants import Admission, NamespaceLabels, Problem, UserReason, admit, selector_problem
from support.samples import ftps_user, server

ALICE = {"name": "alice", "passwordSecretRef": {"name": "alice"}}
ALL = {"allowedUserNamespaces": {"from": "All"}}
BLUE = {"allowedUserNamespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "blue"}}}}
LABELS: NamespaceLabels = {"blue": {"team": "blue"}, "red": {"team": "red"}}
EARLY, LATE = "2026-11-24T11:00:00Z", "2026-11-24T13:00:00Z"


def decide(*users: FtpsUser, labels: NamespaceLabels | None = LABELS, **spec: Any) -> Admission:
    return admit(server(**spec), users, labels=labels)


def reasons(found: Admission) -> dict[tuple[str, str], UserReason]:
    return {identity: problem.reason for identity, problem in found.refused.items()}


def names(found: Admission) -> list[str]:
    return [account.name for account in found.accounts]


def homes(found: Admission) -> list[str]:
    return [account.home_directory for account in found.accounts]


@pytest.mark.parametrize(
    ("spec", "namespace", "is_in"),
    [
        ({}, "files", True),
        ({}, "blue", False),
        (ALL, "files", True),
        (ALL, "blue", True),
        (BLUE, "files", True),  # its own, whatever its labels
        (BLUE, "blue", True),
        (BLUE, "red", False),
        (BLUE, "unknown", False),
    ],
)
def test_a_server_takes_users_of_the_namespaces_that_it_allows(spec: dict[str, Any], namespace: str, is_in: bool):
    found = decide(ftps_user("dora", namespace), **spec)
    assert names(found) == (["dora"] if is_in else [])
    assert reasons(found) == ({} if is_in else {(namespace, "dora"): UserReason.NAMESPACE_NOT_ALLOWED})


def test_an_operator_that_sees_no_labels_takes_its_own_users_only_and_says_why():
    found = decide(ftps_user("dora", "blue"), ftps_user("bob"), labels=None, **BLUE)
    assert names(found) == ["bob"]
    assert "looks after some namespaces only" in selector_problem(server(**BLUE), None)
    assert selector_problem(server(**BLUE), LABELS) == ""
    assert selector_problem(server(**ALL), None) == ""


def test_the_users_that_are_listed_come_first_then_the_oldest():
    found = decide(ftps_user("young", made=LATE), ftps_user("old", made=EARLY), users=[ALICE])
    assert names(found) == ["alice", "old", "young"]
    assert [account.tenant for account in found.accounts] == [None, ("files", "old"), ("files", "young")]


def test_a_name_that_is_listed_is_never_given_away():
    found = decide(ftps_user("alice", made=EARLY), users=[ALICE])
    assert names(found) == ["alice"]
    assert found.accounts[0].tenant is None
    assert reasons(found) == {("files", "alice"): UserReason.LOGIN_NAME_TAKEN}
    assert "spec.users" in found.refused["files", "alice"].message


@pytest.mark.parametrize("turn", range(4))
def test_the_oldest_has_a_name_then_the_first_by_namespace_and_name(turn: int):
    users = [
        ftps_user("c", "files", made=EARLY, name="grace"),
        ftps_user("b", "files", made=EARLY, name="grace"),
        ftps_user("a", "files", made=LATE, name="grace"),
        ftps_user("z", "blue", made=EARLY, name="grace"),
    ]
    found = decide(*users[turn:], *users[:turn], **ALL)
    assert [account.tenant for account in found.accounts] == [("blue", "z")]
    assert set(reasons(found).values()) == {UserReason.LOGIN_NAME_TAKEN}
    assert "the older FtpsUser blue/z" in found.refused["files", "a"].message


@pytest.mark.parametrize(
    "refused",
    [
        ftps_user("first", "red", made=EARLY, name="grace"),
        ftps_user("first", "blue", made=EARLY, name="grace", homeDirectory="/"),
        ftps_user("first", "files", made=EARLY, name="grace", clientCertificate={"subject": "grace"}),
    ],
)
def test_who_is_not_let_in_holds_no_name(refused: FtpsUser):
    found = decide(refused, ftps_user("grace", made=LATE), **BLUE)
    assert [account.tenant for account in found.accounts] == [("files", "grace")]
    assert len(found.refused) == 1


def test_a_secret_is_that_of_the_user_s_own_namespace():
    found = decide(ftps_user("dora", "blue"), users=[ALICE], **ALL)
    assert [account.secret for account in found.accounts] == [("files", "alice"), ("blue", "dora")]


def test_a_home_is_named_after_the_login_and_below_the_namespace_for_those_of_another_one():
    found = decide(ftps_user("bob"), ftps_user("dora", "blue", name="d"), users=[ALICE], **ALL)
    assert dict(zip(names(found), homes(found), strict=True)) == {"alice": "/alice", "bob": "/bob", "d": "/blue/d"}


@pytest.mark.parametrize("home", ["/blue", "/blue/", "/blue/x", "//blue/./x", "/./blue"])
def test_a_user_of_another_namespace_may_choose_a_home_of_its_namespace_s(home: str):
    assert homes(decide(ftps_user("dora", "blue", homeDirectory=home), **ALL)) == [home]


@pytest.mark.parametrize("home", ["/", "//", "/.", "/alice", "/blues", "/blue2/x", "/x/blue", "/BLUE"])
def test_a_user_of_another_namespace_has_no_other_home(home: str):
    found = decide(ftps_user("dora", "blue", homeDirectory=home), **ALL)
    assert reasons(found) == {("blue", "dora"): UserReason.HOME_DIRECTORY_NOT_ALLOWED}
    assert "must be /blue or below" in found.refused["blue", "dora"].message


def test_a_user_of_the_server_s_namespace_chooses_as_its_owner_does():
    assert homes(decide(ftps_user("bob", homeDirectory="/"))) == ["/"]


@pytest.mark.parametrize("mode", ["Optional", "Required"])
def test_a_client_certificate_needs_a_server_that_asks_for_some(mode: str):
    carol = ftps_user("carol", clientCertificate={"subject": "carol"})
    assert reasons(decide(carol)) == {("files", "carol"): UserReason.CLIENT_CERTIFICATES_OFF}
    tls = {"selfSigned": {}, "clientAuth": {"mode": mode, "caSecretName": "partners"}}
    assert names(decide(carol, tls=tls)) == ["carol"]


def test_only_what_comes_by_itself_is_not_stalled():
    waiting = {reason for reason in UserReason if not Problem(reason, "").is_stalled}
    assert waiting == {
        UserReason.SERVER_NOT_FOUND,
        UserReason.SERVER_NOT_READY,
        UserReason.SECRET_NOT_FOUND,
        UserReason.PROGRESSING,
    }
