"""The DaemonSet controller at work with the scheduler."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.controllers.nodes.scheduler import Scheduler
from podwire.controllers.workloads.daemonset import DaemonSets
from podwire.kube.kinds import DAEMON_SETS, NODES, PODS
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import node_fields
from tests.controllers.fake_node import FakeRuntime
from tests.kube.fake_api import FakeApi, running


@pytest.fixture
async def api() -> FakeApi:
    api = FakeApi()
    api.put(NODES, "node-1", **node_fields("node-1"))
    api.put(NODES, "node-2", **node_fields("node-2", cordoned=True))
    return api


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, *more: Any) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    loops = (part(api, informers, recorder) for part in (DaemonSets, Scheduler))
    async with running(informers, *loops, recorder, *more):
        yield


def put(api: FakeApi, image: str = "a") -> None:
    template = {"metadata": {"labels": {"app": "log"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    api.put(DAEMON_SETS, "log", "shop", spec={"selector": {"matchLabels": {"app": "log"}}, "template": template})


def settled(api: FakeApi, nodes: int, image: str = "a") -> bool:
    status = api.all(DAEMON_SETS)[0].get("status", {})
    images = [pod["spec"]["containers"][0]["image"] for pod in api.all(PODS)]
    return status.get("numberAvailable") == status.get("updatedNumberScheduled") == nodes and images == [image] * nodes


async def test_every_node_has_a_pod_through_an_update_and_a_new_node(api: FakeApi) -> None:
    put(api)
    async with at_work(api, FakeRuntime(api)):
        await api.until(lambda: settled(api, 2))
        put(api, "b")
        await api.until(lambda: settled(api, 2, "b"))
        api.put(NODES, "node-3", **node_fields("node-3"))
        await api.until(lambda: settled(api, 3, "b"))
    places = Counter(pod["spec"]["nodeName"] for pod in api.all(PODS))
    assert places == {"node-1": 1, "node-2": 1, "node-3": 1}
    assert "collisionCount" not in api.all(DAEMON_SETS)[0]["status"], "there was none"


async def test_a_lost_answer_makes_no_second_pod(api: FakeApi) -> None:
    put(api)
    api.lose_answers["POST", "pods"] = 1
    async with at_work(api):
        api.hold(PODS)
        await api.until(lambda: len(api.all(PODS)) >= 2)
        api.hold()
        await api.until(lambda: all("nodeName" in pod["spec"] for pod in api.all(PODS)))
    assert len(api.all(PODS)) == 2
