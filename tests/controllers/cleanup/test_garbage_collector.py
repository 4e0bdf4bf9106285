from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from podwire.controllers.cleanup.garbage_collector import GarbageCollector
from podwire.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.fake_node import FakeRuntime
from tests.kube.fake_api import FakeApi, running

WEB = NamespacedName("shop", "web")


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi) -> AsyncIterator[None]:
    informers = SharedInformers(api)
    async with running(informers, GarbageCollector(api, informers), FakeRuntime(api)):
        yield


def owned_by(kind: Kind[Any], *owners: dict[str, Any]) -> dict[str, Any]:
    references = [
        {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        for owner in owners
    ]
    return {"ownerReferences": references}


def family(api: FakeApi) -> None:
    """A Deployment, its set, its pod; and a ConfigMap without an owner."""
    deployment = api.put(DEPLOYMENTS, "web", "shop")
    replica_set = api.put(REPLICA_SETS, "web", "shop", metadata=owned_by(DEPLOYMENTS, deployment))
    api.put(PODS, "web", "shop", metadata=owned_by(REPLICA_SETS, replica_set), spec={})
    api.put(CONFIG_MAPS, "free", "shop")


def left(api: FakeApi) -> set[str]:
    return {kind for kind, found in api.objects.items() if found}


async def test_dependents_are_deleted_after_their_owner_and_nothing_else_is(api: FakeApi) -> None:
    family(api)
    async with at_work(api):
        await api.delete(DEPLOYMENTS, WEB)
        await api.until(lambda: left(api) == {"configmaps"})


async def test_an_owner_that_was_deleted_without_an_event_is_noticed(api: FakeApi) -> None:
    family(api)
    api.remove(DEPLOYMENTS, WEB)
    async with at_work(api):
        await api.until(lambda: left(api) == {"configmaps"})


async def test_an_owner_of_the_same_name_is_not_the_owner(api: FakeApi) -> None:
    family(api)
    api.remove(DEPLOYMENTS, WEB)
    api.put(DEPLOYMENTS, "web", "shop")
    async with at_work(api):
        await api.until(lambda: left(api) == {"configmaps", "deployments"})


async def test_in_the_foreground_the_owner_is_removed_last(api: FakeApi) -> None:
    family(api)
    async with at_work(api):
        await api.delete(DEPLOYMENTS, WEB, propagation="Foreground")

        def done() -> bool:
            if api.all(PODS):
                assert api.all(REPLICA_SETS)
            if api.all(REPLICA_SETS):
                assert api.all(DEPLOYMENTS)
            return left(api) == {"configmaps"}

        await api.until(done)


async def test_orphans_stay_without_their_owner_reference(api: FakeApi) -> None:
    family(api)
    async with at_work(api):
        await api.delete(DEPLOYMENTS, WEB, propagation="Orphan")
        await api.until(lambda: not api.all(DEPLOYMENTS))
        (replica_set,) = api.all(REPLICA_SETS)
        assert "ownerReferences" not in replica_set["metadata"]
        await api.delete(REPLICA_SETS, WEB)
        await api.until(lambda: left(api) == {"configmaps"})


async def test_an_object_with_another_owner_only_loses_the_reference(api: FakeApi) -> None:
    one, two = api.put(CONFIG_MAPS, "one", "shop"), api.put(CONFIG_MAPS, "two", "shop")
    api.put(CONFIG_MAPS, "child", "shop", metadata=owned_by(CONFIG_MAPS, one, two))
    async with at_work(api):
        await api.delete(CONFIG_MAPS, NamespacedName("shop", "one"))
        await api.until(lambda: len(api.all(CONFIG_MAPS)[0]["metadata"]["ownerReferences"]) == 1)
        assert api.all(CONFIG_MAPS)[0]["metadata"]["ownerReferences"][0]["name"] == "two"
        await api.delete(CONFIG_MAPS, NamespacedName("shop", "two"))
        await api.until(lambda: not api.all(CONFIG_MAPS))


async def test_an_owner_that_waits_goes_when_its_last_dependent_has_lost_the_reference(api: FakeApi) -> None:
    """The dependent stays: it has another owner."""
    owners = [api.put(REPLICA_SETS, name, "shop") for name in ("web", "other")]
    api.put(PODS, "shared", "shop", metadata=owned_by(REPLICA_SETS, *owners), spec={})
    async with at_work(api):
        await api.delete(REPLICA_SETS, WEB, propagation="Foreground")
        await api.until(lambda: set(api.objects["replicasets"]) == {NamespacedName("shop", "other")})
    pod = api.objects["pods"][NamespacedName("shop", "shared")]
    assert [owner["name"] for owner in pod["metadata"]["ownerReferences"]] == ["other"]


async def test_an_owner_of_an_unknown_kind_is_left_to_people(api: FakeApi) -> None:
    unknown = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "w"}
    api.put(CONFIG_MAPS, "child", "shop", metadata={"ownerReferences": [unknown]})
    family(api)
    async with at_work(api):
        await api.delete(DEPLOYMENTS, WEB)
        await api.until(lambda: left(api) == {"configmaps"})
    assert len(api.all(CONFIG_MAPS)) == 2


async def test_the_informer_of_a_deleted_custom_resource_ends_and_a_new_scope_is_followed(api: FakeApi) -> None:
    definition = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Object, False)
    informers = SharedInformers(api)

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - an informer that ends sets no event
                await asyncio.sleep(0.001)

    def followed() -> set[bool]:
        stores = informers._stores
        return {kind.namespaced for kind in stores if kind.resource == "widgets"}

    async with running(informers, GarbageCollector(api, informers)):
        api.served["/apis/example.com/v1"] = ("widgets",)
        api.put(definition, "widgets.example.com")
        await until(lambda: followed() == {True})
        del api.served["/apis/example.com/v1"]
        api.remove(definition, NamespacedName("", "widgets.example.com"))
        await until(lambda: not followed())
        api.served["/apis/example.com/v1"] = ("widgets",)
        api.cluster_scoped.add("widgets")
        api.put(definition, "widgets.example.com")
        await until(lambda: followed() == {False})


async def test_gateways_are_followed_once_their_definition_exists(api: FakeApi) -> None:
    definition = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Object, False)
    api.served = {"/apis/gateway.networking.k8s.io/v1": ("gateways",), **api.served}
    family(api)
    async with at_work(api):
        await api.delete(DEPLOYMENTS, WEB)
        await api.until(lambda: left(api) == {"configmaps"})
        assert not api.calls["GET", "gateways"]
        api.put(definition, "gateways.gateway.networking.k8s.io")
        await api.until(lambda: api.calls["GET", "gateways"] > 0)
