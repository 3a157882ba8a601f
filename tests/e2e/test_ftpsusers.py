"""Users as resources of their own: of the server's namespace, of others, refused, changed, gone, and a thousand."""

import ftplib
import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from support.ftps import Ftps
from support.kstatus import CURRENT, FAILED, IN_PROGRESS, kstatus
from support.polling import eventually
from support.servers import PASSWORD, Namespace, condition, ftps_server, ftps_user, password_secret, temporary_namespace
from support.target import Target
from testbed import Cluster
from testbed.paths import CHECKOUT

EXAMPLE = CHECKOUT / "docs" / "examples" / "tenant.yaml"
NAME = "exchange"
LABEL = "example.com/ftps"
SECONDS = 5
"""How soon a change of a user counts."""
SECRET_SECONDS = 65
"""How soon a change of a Secret alone does."""
TOLD_SECONDS = 15
MANY = 1000
BCRYPT = "$2b$05$EoFFE8BRLu3xpGPQDIAX8uV2DCm1kwJu3y4Qk2d0Qy78T5ehf1wMm"  # of PASSWORD
OTHER_BCRYPT = "$2b$05$fEmsJ2ch/W7llGKJOJnzDOGg9V.lFl86/kY6n.zEKvY0skZiqYRQi"
OTHER_PASSWORD = "another-one"

logger = logging.getLogger(__name__)


def public_server(cluster: Cluster, name: str, **spec: Any) -> dict[str, Any]:
    """A server that clients reach, whichever node it is on, with a certificate that they trust."""
    service = {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"}
    return ftps_server(name, tls={"certManager": {"issuerRef": cluster.issuer}}, service=service, **spec)


@pytest.fixture(scope="module")
def server(operator: Cluster, namespace: Namespace) -> Target:
    """Alice, whom the server lists, sees all of the storage."""
    selector = {"from": "Selector", "selector": {"matchLabels": {LABEL: "allowed"}}}
    manifest = public_server(operator, NAME, allowedUserNamespaces=selector)
    manifest["spec"]["users"] = [{"name": "alice", "passwordSecretRef": {"name": "alice"}, "homeDirectory": "/"}]
    namespace.apply(password_secret("alice"), manifest)
    return Target(operator, namespace, NAME)


@pytest.fixture(scope="module")
def team(operator: Cluster) -> Iterator[Namespace]:
    """A namespace that is allowed."""
    with temporary_namespace(operator, "team") as made:
        operator.kubectl("label", "namespace", made.name, f"{LABEL}=allowed")
        yield made


def login(server: Target, user: str, password: str = PASSWORD) -> Ftps:
    session = server.session()
    try:
        session.login(user, password)
        session.prot_p()
    except BaseException:
        session.close()
        raise
    return session


def logs_in(server: Target, user: str, password: str = PASSWORD) -> bool:
    try:
        login(server, user, password).close()
    except ftplib.error_perm as error:
        if not str(error).startswith("530"):
            raise
        return False
    return True


def within(seconds: float, server: Target, user: str, password: str = PASSWORD, *, expected: bool = True) -> float:
    """Try until a login ends as expected. Returns when that try began: a failed one is answered after 3 s only."""
    started = time.monotonic()
    while True:
        at = time.monotonic() - started
        if logs_in(server, user, password) is expected:
            assert at < seconds, f"{user}: not within {seconds} s, but {at:.1f}"
            return at
        assert at < seconds + 30, f"{user}: not at all"


def touch(namespace: Namespace, name: str) -> None:
    """Have the Secret of a user looked at now."""
    namespace.kubectl("annotate", "ftpsuser", name, "--overwrite", f"example.com/rotated={time.time_ns()}")


def user_of(namespace: Namespace, name: str) -> dict[str, Any]:
    found = namespace.get("ftpsuser", name)
    assert found is not None, f"FtpsUser {name} is gone"
    return found


def told(namespace: Namespace, name: str, reason: str, state: str) -> str:
    """Wait until the user is told a reason. Returns the message."""

    def look() -> str:
        found = user_of(namespace, name)
        ready = condition(found, "Ready")
        assert ready["reason"] == reason, f"{ready['reason']}: {ready['message']}"
        assert kstatus(found) == state
        assert ready["observedGeneration"] == found["metadata"]["generation"]
        return str(ready["message"])

    return eventually(look, seconds=TOLD_SECONDS)


def is_ready(namespace: Namespace, name: str) -> str:
    return told(namespace, name, "Ready", CURRENT)


def identity_of_the_pod(server: Target) -> tuple[str, int]:
    """Changes when the server was restarted."""
    (pod,) = server.namespace.pods(server.name)
    return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]


@pytest.fixture(autouse=True)
def undisturbed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a user does, the server stays Ready, and its pod is the same."""
    if "server" not in request.fixturenames:
        yield
        return
    server: Target = request.getfixturevalue("server")
    before = identity_of_the_pod(server)
    yield
    found = server.namespace.server(NAME)
    assert kstatus(found) == CURRENT, condition(found, "Ready")
    assert condition(found, "UsersReady")["status"] == "True"
    assert identity_of_the_pod(server) == before


def test_a_user_of_the_server_s_namespace_logs_in(server: Target, namespace: Namespace):
    namespace.apply(password_secret("bob"), ftps_user("bob", NAME))
    within(SECONDS, server, "bob")
    assert is_ready(namespace, "bob") == f"bob can log in to FtpsServer {namespace.name}/{NAME}"
    with login(server, "bob") as session:
        session.storbinary("STOR own", io.BytesIO(b"bob's"))
    with login(server, "alice") as session:
        assert "own" in session.nlst("/bob")
    row = namespace.kubectl("get", "ftpsuser", "bob", "--no-headers").split()
    assert row[:5] == ["bob", "True", NAME, "bob", "Ready"]


def test_nothing_but_the_status_is_written_to_a_user(server: Target, namespace: Namespace):
    namespace.apply(password_secret("carol"), ftps_user("carol", NAME))
    is_ready(namespace, "carol")
    text = namespace.kubectl("get", "ftpsuser", "carol", "-o", "json", "--show-managed-fields")
    meta = json.loads(text)["metadata"]
    ours = [each for each in meta["managedFields"] if each["manager"] != "kubectl-client-side-apply"]
    assert [(each["manager"], each.get("subresource")) for each in ours] == [("ftps-operator-status", "status")]
    assert set(ours[0]["fieldsV1"]) == {"f:status"}
    assert set(meta.get("annotations", {})) == {"kubectl.kubernetes.io/last-applied-configuration"}
    assert "finalizers" not in meta
    assert "labels" not in meta


def test_a_user_of_an_allowed_namespace_has_its_home_below_the_namespace_s_own(
    server: Target, namespace: Namespace, team: Namespace
):
    # A Secret of the same name in the server's namespace is somebody else's.
    namespace.apply(password_secret("dora", "not-hers"))
    team.apply(password_secret("dora"), ftps_user("dora", NAME, namespace.name))
    within(SECONDS, server, "dora")
    is_ready(team, "dora")
    assert not logs_in(server, "dora", "not-hers")
    with login(server, "dora") as session:
        assert session.pwd() == "/"
        session.storbinary("STOR export", io.BytesIO(b"dora's"))
    with login(server, "alice") as session:
        assert session.nlst(f"/{team.name}/dora") == ["export"]


@pytest.mark.parametrize("home", ["/", "/alice", "/bob/..x"])
def test_a_user_of_another_namespace_cannot_choose_somebody_else_s_home(
    server: Target, namespace: Namespace, team: Namespace, home: str
):
    team.apply(password_secret("eve"), ftps_user("eve", NAME, namespace.name, homeDirectory=home))
    assert f"homeDirectory must be /{team.name} or below" in told(team, "eve", "HomeDirectoryNotAllowed", FAILED)
    assert not logs_in(server, "eve")
    team.patch("ftpsuser", "eve", {"spec": {"homeDirectory": f"/{team.name}"}})
    within(SECONDS, server, "eve")
    is_ready(team, "eve")
    team.delete("ftpsuser", "eve")
    within(SECONDS, server, "eve", expected=False)


def test_a_namespace_that_is_not_allowed_is_told_and_let_in_by_a_label(
    operator: Cluster, server: Target, namespace: Namespace
):
    with temporary_namespace(operator, "outside") as outside:
        outside.apply(password_secret("frank"), ftps_user("frank", NAME, namespace.name))
        message = told(outside, "frank", "NamespaceNotAllowed", FAILED)
        assert "who owns it can allow them by its spec.allowedUserNamespaces" in message
        assert not logs_in(server, "frank")
        operator.kubectl("label", "namespace", outside.name, f"{LABEL}=allowed")
        within(SECONDS, server, "frank")
        is_ready(outside, "frank")
        operator.kubectl("label", "namespace", outside.name, f"{LABEL}-")
        within(SECONDS, server, "frank", expected=False)
        told(outside, "frank", "NamespaceNotAllowed", FAILED)


def test_of_two_who_want_a_name_the_older_has_it_and_the_younger_inherits(
    server: Target, namespace: Namespace, team: Namespace
):
    namespace.apply(password_secret("older", "the-older"), ftps_user("older", NAME, name="grace"))
    is_ready(namespace, "older")
    within(SECONDS, server, "grace", "the-older")
    team.apply(password_secret("a-younger", "the-younger"), ftps_user("a-younger", NAME, namespace.name, name="grace"))
    message = told(team, "a-younger", "LoginNameTaken", FAILED)
    assert f"from the older FtpsUser {namespace.name}/older: choose another one in spec.name" in message
    assert logs_in(server, "grace", "the-older")
    assert not logs_in(server, "grace", "the-younger")
    namespace.delete("ftpsuser", "older")
    within(SECONDS, server, "grace", "the-younger")
    assert not logs_in(server, "grace", "the-older")
    is_ready(team, "a-younger")


def test_a_name_that_the_server_lists_is_its_own(server: Target, namespace: Namespace):
    namespace.apply(password_secret("usurper", "usurped"), ftps_user("usurper", NAME, name="alice"))
    assert "which lists it in spec.users" in told(namespace, "usurper", "LoginNameTaken", FAILED)
    assert logs_in(server, "alice")
    assert not logs_in(server, "alice", "usurped")
    assert condition(namespace.server(NAME), "UsersReady")["message"].endswith("; FtpsUsers who cannot: 1")
    namespace.delete("ftpsuser", "usurper")


def test_a_user_may_come_before_its_server_and_stay_after_it(operator: Cluster, namespace: Namespace):
    namespace.apply(password_secret("henry"), ftps_user("henry", "late"))
    message = told(namespace, "henry", "ServerNotFound", IN_PROGRESS)
    assert message == f"there is no FtpsServer {namespace.name}/late: make it, or correct spec.serverRef"
    namespace.apply(ftps_server("late"))
    namespace.wait_ready("late")
    is_ready(namespace, "henry")
    namespace.delete("ftpsserver", "late")
    told(namespace, "henry", "ServerNotFound", IN_PROGRESS)


def test_a_user_can_move_to_another_server(server: Target, namespace: Namespace):
    namespace.apply(password_secret("iris"), ftps_user("iris", "nowhere"))
    told(namespace, "iris", "ServerNotFound", IN_PROGRESS)
    namespace.patch("ftpsuser", "iris", {"spec": {"serverRef": {"name": NAME}}})
    within(SECONDS, server, "iris")
    is_ready(namespace, "iris")
    namespace.patch("ftpsuser", "iris", {"spec": {"serverRef": {"name": "nowhere"}}})
    within(SECONDS, server, "iris", expected=False)
    told(namespace, "iris", "ServerNotFound", IN_PROGRESS)


def test_a_missing_secret_is_told_and_found_when_it_comes(server: Target, namespace: Namespace):
    namespace.apply(ftps_user("jack", NAME))
    message = told(namespace, "jack", "SecretNotFound", IN_PROGRESS)
    assert message == "Secret jack is missing: make it, with the key password"
    namespace.apply(password_secret("jack"))
    touch(namespace, "jack")
    within(SECONDS, server, "jack")
    is_ready(namespace, "jack")
    namespace.patch("secret", "jack", {"data": {"password": None}})
    touch(namespace, "jack")
    within(SECONDS, server, "jack", expected=False)
    assert "has no key password" in told(namespace, "jack", "SecretUnusable", FAILED)
    namespace.delete("ftpsuser", "jack")


def test_a_hash_that_is_none_is_told_without_showing_it(server: Target, namespace: Namespace):
    secret = password_secret("kate") | {"stringData": {"passwordHash": "hunter2"}}
    namespace.apply(secret, ftps_user("kate", NAME, passwordHashSecretRef={"name": "kate"}))
    message = told(namespace, "kate", "SecretUnusable", FAILED)
    assert "must be an argon2id" in message
    assert "hunter2" not in message
    namespace.delete("ftpsuser", "kate")


def test_a_client_certificate_needs_a_server_that_asks_for_some(server: Target, namespace: Namespace):
    user = ftps_user("leo", NAME)
    user["spec"] = {"serverRef": {"name": NAME}, "clientCertificate": {"subject": "leo"}}
    namespace.apply(user)
    assert "needs tls.clientAuth.mode" in told(namespace, "leo", "ClientCertificatesOff", FAILED)
    namespace.delete("ftpsuser", "leo")


def test_a_changed_password_counts_and_the_old_one_does_not(server: Target, namespace: Namespace):
    namespace.apply(password_secret("mia"), ftps_user("mia", NAME))
    within(SECONDS, server, "mia")
    with login(server, "mia") as session:
        namespace.apply(password_secret("mia", OTHER_PASSWORD))
        within(SECRET_SECONDS, server, "mia", OTHER_PASSWORD)
        assert not logs_in(server, "mia")
        assert session.pwd() == "/"


def test_a_user_that_is_deleted_is_gone(server: Target, namespace: Namespace):
    namespace.apply(password_secret("noah"), ftps_user("noah", NAME))
    within(SECONDS, server, "noah")
    namespace.kubectl("delete", "ftpsuser", "noah", "--wait=false")
    within(SECONDS, server, "noah", expected=False)
    assert namespace.get("ftpsuser", "noah") is None


def test_a_status_that_somebody_edits_returns(server: Target, namespace: Namespace):
    namespace.apply(password_secret("olga"), ftps_user("olga", NAME))
    is_ready(namespace, "olga")
    namespace.patch("ftpsuser", "olga", {"status": {"login": "root"}}, "--subresource=status")
    eventually(lambda: user_of(namespace, "olga")["status"]["login"] == "olga", seconds=SECONDS)


def test_the_example_of_a_tenant(operator: Cluster):
    text = EXAMPLE.read_text().replace("name: testbed-ca", f"name: {operator.issuer['name']}")
    text = text.replace("type: LoadBalancer", "type: LoadBalancer\n    externalTrafficPolicy: Cluster")
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(text) if each["kind"] == "Namespace"]
    try:
        operator.kubectl("apply", "-f", "-", stdin=text)
        target = Target(operator, Namespace(operator, names[0]), NAME)
        is_ready(Namespace(operator, names[1]), "nightly-export")
        with login(target, "nightly-export") as session:
            assert session.storbinary("STOR file", io.BytesIO(bytes(1000))).startswith("226 ")
    finally:
        operator.kubectl("delete", "namespace", *names, "--ignore-not-found")


class Crowd:
    """A thousand users of one server, each with a hash in a Secret of its own."""

    def __init__(self, server: Target) -> None:
        self.server = server
        self.namespace = server.namespace
        self.names = [f"user-{number:04d}" for number in range(MANY)]

    def ready(self) -> int:
        users = self.namespace.objects("ftpsusers")
        return sum(kstatus(user) == CURRENT for user in users)


def hash_secret(name: str, text: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"passwordHash": text},
    }


@pytest.fixture(scope="module")
def crowd(operator: Cluster) -> Iterator[Crowd]:
    with temporary_namespace(operator, "crowd") as made:
        made.apply(public_server(operator, "crowded"))
        crowd = Crowd(Target(operator, made, "crowded"))
        started = time.monotonic()
        made.apply(
            *(hash_secret(name, BCRYPT) for name in crowd.names),
            *(ftps_user(name, "crowded", passwordHashSecretRef={"name": name}) for name in crowd.names),
        )
        logger.info("%d users applied in %.1f s", MANY, time.monotonic() - started)
        yield crowd


def timed(what: str, look: Callable[[], Any], *, seconds: float) -> None:
    started = time.monotonic()
    eventually(look, seconds=seconds, what=what)
    logger.info("%s: %.1f s", what, time.monotonic() - started)


def test_a_thousand_users_log_in(crowd: Crowd):
    before = identity_of_the_pod(crowd.server)
    logger.info("the last one logs in %.1f s after the apply", within(SECONDS, crowd.server, crowd.names[-1]))
    timed("all are told", lambda: crowd.ready() == MANY, seconds=60)
    server = crowd.namespace.wait_ready("crowded")
    assert server["status"]["users"] == MANY
    assert identity_of_the_pod(crowd.server) == before


def test_of_a_thousand_one_changes_its_password(crowd: Crowd):
    before = identity_of_the_pod(crowd.server)
    name = crowd.names[MANY // 2]
    # The Secret alone is seen within a round of all Secrets; a change of the user has it looked at now.
    crowd.namespace.apply(hash_secret(name, OTHER_BCRYPT))
    touch(crowd.namespace, name)
    logger.info("by the user: %.1f s", within(SECONDS, crowd.server, name, OTHER_PASSWORD))
    assert not logs_in(crowd.server, name)
    other = crowd.names[MANY // 3]
    crowd.namespace.apply(hash_secret(other, OTHER_BCRYPT))
    logger.info("by the Secret alone: %.1f s", within(SECRET_SECONDS, crowd.server, other, OTHER_PASSWORD))
    assert identity_of_the_pod(crowd.server) == before


def test_of_a_thousand_one_is_deleted_and_one_comes(crowd: Crowd):
    before = identity_of_the_pod(crowd.server)
    crowd.namespace.kubectl("delete", "ftpsuser", crowd.names[7], "--wait=false")
    logger.info("deleted: %.1f s", within(SECONDS, crowd.server, crowd.names[7], expected=False))
    crowd.namespace.apply(password_secret("new"), ftps_user("new", "crowded"))
    logger.info("new: %.1f s", within(SECONDS, crowd.server, "new"))
    assert identity_of_the_pod(crowd.server) == before
