import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from ftps_operator.cache import Cache
from ftps_operator.errors import ConflictError, KindNotServedError, TransientError
from ftps_operator.kinds import CERTIFICATE, CONFIG_MAP, FTPS_SERVER, FTPS_USER, NAMESPACE, POD, SECRET, SERVICE, Kind
from ftps_operator.naming import Manifest
from ftps_operator.store import Owner, Store
from support.samples import ftps_user_body

OWNER = ("team", "exchange")
OURS = {"app.kubernetes.io/managed-by": "ftps-operator", "ftps-operator.io/server": "exchange"}


def live(kind: Kind, name: str, version: str = "1", *, ours: bool = True, namespace: str = "team") -> Manifest:
    meta = {"namespace": namespace, "name": name, "uid": f"uid-{name}", "resourceVersion": version}
    labels = {"labels": OURS} if ours else {}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta | labels}


class Api:
    """What the API server holds; counts what it is asked."""

    def __init__(self, *objects: Manifest) -> None:
        self.objects = list(objects)
        self.asked: list[str] = []
        self.fault: Exception | None = None
        self.dry_runs = 0
        self.while_listing: Callable[[], None] = lambda: None

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        self.asked.append(f"get {kind.kind} {name}")
        if self.fault:
            raise self.fault
        wanted = (kind.kind, namespace, name)
        return next((each for each in self.objects if self._slot(each) == wanted), None)

    async def pages(
        self, kind: Kind, namespace: str | None, *, label_selector: str | None = None
    ) -> AsyncIterator[list[Manifest]]:
        self.asked.append(f"list {kind.kind} {namespace} {label_selector}")
        if self.fault:
            raise self.fault
        found = [
            each
            for each in self.objects
            if each["kind"] == kind.kind
            and namespace in (None, each["metadata"]["namespace"])
            and (label_selector is None or "labels" in each["metadata"])
        ]
        self.while_listing()
        for each in found:
            yield [each]

    async def apply(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        self.dry_runs += dry_run
        if any(self._slot(each) == self._slot(manifest) for each in self.objects):
            raise ConflictError("the object has been modified")
        return manifest

    async def apply_status(self, manifest: Manifest) -> Manifest:
        return manifest

    async def annotate(self, kind: Kind, _: str, name: str, annotations: Mapping[str, str]) -> Manifest | None:
        return live(kind, name, "2") | {"spec": dict(annotations)}

    @staticmethod
    def _slot(each: Manifest) -> tuple[str, str, str]:
        return each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]


def using(api: Api, use: Callable[[Cache], Awaitable[Any]], store: Store | None = None) -> Any:
    async def run() -> Any:
        return await use(Cache(api, store or Store()))  # type: ignore[arg-type]

    return asyncio.run(run())


def test_what_was_listed_is_not_asked_for_again():
    api = Api(live(SERVICE, "exchange"))

    async def use(cache: Cache) -> None:
        assert await cache.relist(SERVICE, None) == {OWNER}
        found = await cache.get(SERVICE, "team", "exchange")
        assert found is not None
        assert await cache.belonging(SERVICE, OWNER) == [found]

    using(api, use)
    assert api.asked == ["list Service None app.kubernetes.io/managed-by=ftps-operator"]


def test_somebody_elses_object_is_asked_for_by_name_and_not_kept():
    api = Api(live(CONFIG_MAP, "theirs", ours=False))
    store = Store()

    async def use(cache: Cache) -> None:
        assert await cache.get(CONFIG_MAP, "team", "theirs") is not None
        assert await cache.get(CONFIG_MAP, "team", "theirs") is not None

    using(api, use, store)
    assert api.asked == ["get ConfigMap theirs"] * 2
    assert store.count(CONFIG_MAP) == 0


def test_what_stands_in_the_way_is_asked_for_until_it_is_gone():
    api = Api(live(CONFIG_MAP, "theirs", ours=False))

    async def use(cache: Cache) -> None:
        await cache.relist(CONFIG_MAP, None)
        assert await cache.get(CONFIG_MAP, "team", "theirs") is None
        with pytest.raises(ConflictError):
            await cache.apply(live(CONFIG_MAP, "theirs"))
        assert await cache.get(CONFIG_MAP, "team", "theirs") is not None
        api.objects.clear()
        assert await cache.get(CONFIG_MAP, "team", "theirs") is None
        api.asked.clear()
        assert await cache.get(CONFIG_MAP, "team", "theirs") is None

    using(api, use)
    assert api.asked == []


def test_a_rehearsal_finds_what_stands_in_the_way_too():
    api = Api(live(CONFIG_MAP, "theirs", ours=False))

    async def use(cache: Cache) -> None:
        await cache.relist(CONFIG_MAP, None)
        with pytest.raises(ConflictError):
            await cache.rehearse(live(CONFIG_MAP, "theirs"))
        assert await cache.get(CONFIG_MAP, "team", "theirs") is not None

    using(api, use)
    assert api.dry_runs == 1


def test_one_of_ours_that_the_watch_has_not_told_of_is_asked_for_once():
    api = Api(live(CONFIG_MAP, "config"))

    async def use(cache: Cache) -> None:
        assert await cache.get(CONFIG_MAP, "team", "config") is not None
        assert await cache.get(CONFIG_MAP, "team", "config") is not None

    using(api, use)
    assert api.asked == ["get ConfigMap config"]


def test_secrets_are_asked_for_every_time():
    api = Api(live(SECRET, "exchange-tls"))

    async def use(cache: Cache) -> None:
        assert await cache.get(SECRET, "team", "exchange-tls") is not None
        assert await cache.get(SECRET, "team", "exchange-tls") is not None

    using(api, use)
    assert api.asked == ["get Secret exchange-tls"] * 2


def test_a_server_that_the_listing_does_not_have_is_not_there():
    api = Api()

    async def use(cache: Cache) -> None:
        assert await cache.get(FTPS_SERVER, "team", "exchange") is None
        await cache.relist(FTPS_SERVER, "team")
        assert await cache.get(FTPS_SERVER, "team", "exchange") is None
        assert await cache.get(FTPS_SERVER, "other", "exchange") is None

    using(api, use)
    assert api.asked == ["get FtpsServer exchange", "list FtpsServer team None", "get FtpsServer exchange"]


def test_before_it_is_listed_a_kind_is_asked_for():
    api = Api(live(POD, "a"))

    async def use(cache: Cache) -> None:
        assert len(await cache.belonging(POD, OWNER)) == 1

    using(api, use)
    selector = "app.kubernetes.io/managed-by=ftps-operator,ftps-operator.io/server=exchange"
    assert api.asked == [f"list Pod team {selector}"]


def test_a_kind_that_was_not_served_is_not_asked_for_at_each_look():
    api = Api()
    api.fault = KindNotServedError("no CRD")

    async def use(cache: Cache) -> None:
        with pytest.raises(KindNotServedError):
            await cache.relist(CERTIFICATE, None)
        asked = len(api.asked)
        with pytest.raises(KindNotServedError):
            await cache.belonging(CERTIFICATE, OWNER)
        assert len(api.asked) == asked
        api.fault = None
        await cache.relist(CERTIFICATE, None)
        assert await cache.belonging(CERTIFICATE, OWNER) == []

    using(api, use)


def test_an_answer_is_known_before_the_watch_tells():
    async def use(cache: Cache) -> None:
        written = live(CONFIG_MAP, "config", "7")
        await cache.apply(written)
        assert await cache.get(CONFIG_MAP, "team", "config") == written
        await cache.annotate(POD, "team", "a", {"x": "y"})
        assert await cache.get(POD, "team", "a") is not None

    api = Api()
    using(api, use)
    assert api.asked == []


def test_a_written_secret_is_not_kept():
    store = Store()

    async def use(cache: Cache) -> None:
        await cache.apply(live(SECRET, "exchange-users"))

    using(Api(), use, store)
    assert store.count(SECRET) == 0


def test_what_has_gone_unnoticed_is_found_by_listing():
    api = Api(live(SERVICE, "exchange"), live(SERVICE, "elsewhere", namespace="other"))

    async def use(cache: Cache) -> None:
        await cache.relist(SERVICE, None)
        api.objects.clear()
        assert await cache.relist(SERVICE, "team") == {OWNER}
        assert await cache.get(SERVICE, "team", "exchange") is None
        assert await cache.get(SERVICE, "other", "elsewhere") is not None

    using(api, use)


def test_what_is_written_while_a_listing_is_under_way_stays_known():
    api, store = Api(), Store()
    api.while_listing = lambda: store.observe(CONFIG_MAP, live(CONFIG_MAP, "config")) and None

    async def use(cache: Cache) -> None:
        assert await cache.relist(CONFIG_MAP, None) == set()
        assert await cache.get(CONFIG_MAP, "team", "config") is not None

    using(api, use, store)
    assert [each for each in api.asked if each.startswith("get")] == []


def test_a_listing_that_breaks_off_changes_nothing():
    api = Api(live(SERVICE, "exchange"))

    async def use(cache: Cache) -> None:
        await cache.relist(SERVICE, None)
        api.fault = TransientError("busy")
        with pytest.raises(TransientError):
            await cache.relist(SERVICE, None)
        assert await cache.get(SERVICE, "team", "exchange") is not None

    using(api, use)


def user(version: str, **meta: Any) -> Manifest:
    body = ftps_user_body("dora", "blue", serverRef={"name": "exchange", "namespace": "team"})
    return body | {"metadata": body["metadata"] | {"resourceVersion": version} | meta}


@pytest.mark.parametrize(
    ("meta", "expected"), [({}, []), ({"generation": 2}, [OWNER]), ({"annotations": {"rotated": "now"}}, [OWNER])]
)
@pytest.mark.parametrize("kind", [FTPS_SERVER, FTPS_USER], ids=lambda kind: kind.kind)
def test_what_has_changed_while_a_status_was_written_is_news_that_no_watch_tells(
    kind: Kind, meta: dict[str, Any], expected: list[Owner]
):
    before = user("1") if kind == FTPS_USER else live(kind, "exchange")
    answer = before | {"metadata": before["metadata"] | {"resourceVersion": "3"} | meta, "status": {"a": 1}}
    store, told = Store(), list[tuple[Kind, set[Owner]]]()
    store.observe(kind, before)
    cache = Cache(Api(), store, lambda kind, _, owners: told.append((kind, owners)))  # type: ignore[arg-type]
    asyncio.run(cache.apply_status(answer))
    assert told == [(kind, {owner}) for owner in expected]
    assert store.observe(kind, answer) == set()


def test_the_users_are_known_when_they_and_the_labels_of_their_namespaces_are():
    api = Api(user("1"), live(NAMESPACE, "blue"))

    async def use(cache: Cache) -> None:
        await cache.relist(FTPS_USER, None)
        assert not cache.knows_users(())
        assert cache.knows_users(("blue",))
        await cache.relist(NAMESPACE, None)
        assert cache.knows_users(())
        assert [each["metadata"]["name"] for each in cache.users(OWNER)] == ["dora"]

    using(api, use)
    assert api.asked == ["list FtpsUser None None", "list Namespace None None"]


def test_what_was_not_heard_of_is_not_known_and_not_asked_for():
    api, store = Api(user("1")), Store()
    store.observe(NAMESPACE, {"metadata": {"name": "blue", "uid": "u", "resourceVersion": "1", "labels": {"a": "b"}}})

    async def use(cache: Cache) -> None:
        assert cache.known(FTPS_USER, "blue", "dora") is None
        assert cache.labels(["blue", "red"]) == {"blue": {"a": "b"}}

    using(api, use, store)
    assert api.asked == []
