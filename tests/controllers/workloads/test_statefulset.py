"""The StatefulSet controller at work against a server that lags."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.controllers.nodes.scheduler import Scheduler
from podwire.controllers.workloads.statefulset import StatefulSets
from podwire.kube.kinds import CONTROLLER_REVISIONS, EVENTS, NODES, PODS, STATEFUL_SETS
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import node_fields
from tests.controllers.fake_node import FakeRuntime
from tests.kube.fake_api import FakeApi, running


@pytest.fixture
async def api() -> FakeApi:
    api = FakeApi()
    api.put(NODES, "node-1", **node_fields("node-1"))
    return api


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, *more: Any) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    loops = (part(api, informers, recorder) for part in (StatefulSets, Scheduler))
    async with running(informers, *loops, recorder, *more):
        yield


def put(api: FakeApi, replicas: int, image: str = "a", **spec: Any) -> None:
    template = {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    selector = {"matchLabels": {"app": "db"}}
    api.put(
        STATEFUL_SETS, "db", "shop", spec={"replicas": replicas, "selector": selector, "template": template, **spec}
    )


def images(api: FakeApi) -> dict[str, str]:
    alive = (pod for pod in api.all(PODS) if "deletionTimestamp" not in pod["metadata"])
    return {pod["metadata"]["name"]: pod["spec"]["containers"][0]["image"] for pod in alive}


def settled(api: FakeApi, replicas: int) -> bool:
    status = api.all(STATEFUL_SETS)[0].get("status", {})
    return (
        status.get("readyReplicas") == status.get("updatedReplicas") == status.get("replicas") == replicas
        and status["currentRevision"] == status["updateRevision"]
        and len(api.all(PODS)) == replicas
    )


async def test_pods_come_in_order_and_go_in_reverse(api: FakeApi) -> None:
    put(api, 3)
    seen: list[tuple[str, ...]] = []
    async with at_work(api, FakeRuntime(api)):

        def done(replicas: int) -> bool:
            names = tuple(images(api))
            if not seen or seen[-1] != names:
                seen.append(names)
            return settled(api, replicas)

        await api.until(lambda: done(3))
        put(api, 1)
        await api.until(lambda: done(1))
    assert {len(names) for names in seen} <= {0, 1, 2, 3}
    assert all(names == tuple(f"db-{number}" for number in range(len(names))) for names in seen)


async def test_an_update_replaces_all_pods_and_a_rollback_takes_the_old_revision_again(api: FakeApi) -> None:
    put(api, 2)
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: settled(api, 2))
        put(api, 2, image="b")
        await api.until(lambda: set(images(api).values()) == {"b"} and settled(api, 2))
        put(api, 2, image="a")
        await api.until(lambda: set(images(api).values()) == {"a"} and settled(api, 2))
    assert sorted(item["revision"] for item in api.all(CONTROLLER_REVISIONS)) == [2, 3]


async def test_pods_below_the_partition_keep_their_revision_when_they_are_created_again(api: FakeApi) -> None:
    put(api, 2)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: settled(api, 2))
        put(api, 2, image="b", updateStrategy=strategy)
        await api.until(lambda: images(api) == {"db-0": "a", "db-1": "b"})
        before = api.all(PODS)[0]["metadata"]["uid"]
        await api.delete(PODS, NamespacedName("shop", "db-0"))
        await api.until(lambda: len(api.all(PODS)) == 2 and api.all(PODS)[0]["metadata"]["uid"] != before)
    assert images(api) == {"db-0": "a", "db-1": "b"}


async def test_nothing_is_made_twice_while_the_watch_lags(api: FakeApi) -> None:
    put(api, 4, podManagementPolicy="Parallel")
    api.lose_answers["POST", "pods"] = 2
    api.lose_answers["POST", "controllerrevisions"] = 1
    async with at_work(api):
        api.hold(PODS, CONTROLLER_REVISIONS)
        await api.until(lambda: len(api.all(PODS)) == 4)
        api.hold()
        await api.until(lambda: all("nodeName" in pod["spec"] for pod in api.all(PODS)))
    assert len(api.all(CONTROLLER_REVISIONS)) == 1


async def test_claims_that_are_not_provided_cause_an_event(api: FakeApi) -> None:
    put(api, 1, volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    async with at_work(api):
        await api.until(lambda: any(event["reason"] == "VolumesNotProvided" for event in api.all(EVENTS)))
        await api.until(lambda: bool(api.all(PODS)))
    assert api.all(PODS)[0]["spec"]["volumes"] == [{"name": "data", "emptyDir": {}}]
