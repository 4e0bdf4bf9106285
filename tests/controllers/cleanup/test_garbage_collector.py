from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.controllers.cleanup.garbage_collector import GarbageCollector
from podwire.controllers.machinery.shared_informers import Informers
from podwire.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS, Kind
from podwire.kube.meta import NamespacedName
from tests.controllers.fake_api import FakeApi, running
from tests.controllers.fake_node import FakeRuntime

WEB = NamespacedName("shop", "web")


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi) -> AsyncIterator[None]:
    informers = Informers(api)
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
    """A Deployment, its set, its pod; and a ConfigMap that belongs to nobody."""
    deployment = api.put(DEPLOYMENTS, "web", "shop")
    replica_set = api.put(REPLICA_SETS, "web", "shop", metadata=owned_by(DEPLOYMENTS, deployment))
    api.put(PODS, "web", "shop", metadata=owned_by(REPLICA_SETS, replica_set), spec={})
    api.put(CONFIG_MAPS, "free", "shop")


def left(api: FakeApi) -> set[str]:
    return {kind for kind, found in api.objects.items() if found}


async def test_dependents_follow_their_owner_and_nothing_else_goes(api: FakeApi) -> None:
    family(api)
    async with at_work(api):
        await api.delete(DEPLOYMENTS, WEB)
        await api.until(lambda: left(api) == {"configmaps"})


async def test_an_owner_that_went_while_nobody_looked_is_noticed(api: FakeApi) -> None:
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


async def test_in_the_foreground_the_owner_goes_last(api: FakeApi) -> None:
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


async def test_orphans_stay_and_forget_their_owner(api: FakeApi) -> None:
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


async def test_an_owner_of_an_unknown_kind_is_left_to_people(api: FakeApi) -> None:
    unknown = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "w"}
    api.put(CONFIG_MAPS, "child", "shop", metadata={"ownerReferences": [unknown]})
    family(api)
    async with at_work(api):
        await api.delete(DEPLOYMENTS, WEB)
        await api.until(lambda: left(api) == {"configmaps"})
    assert len(api.all(CONFIG_MAPS)) == 2
