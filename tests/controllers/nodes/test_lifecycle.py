"""The node controller at work; Leases are renewed as the test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from podwire.controllers.nodes.lifecycle import NodeLifecycle
from podwire.kube.coordination import NODE_LEASES
from podwire.kube.kinds import LEASES, NODES, PODS
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import READY, node_fields
from tests.kube.fake_api import FakeApi, running

GRACE = 0.3
OURS = "node.kubernetes.io/"


@pytest.fixture
async def api() -> FakeApi:
    api = FakeApi()
    for name in ("node-1", "node-2"):
        api.put(NODES, name, **node_fields(name))
    for node in ("node-1", "node-2"):
        status = {"phase": "Running", "conditions": [READY]}
        api.put(PODS, f"on-{node}", "shop", spec={"nodeName": node}, status=status)
    return api


async def renew(api: FakeApi, *names: str) -> None:
    """Live on each of these nodes, for ever."""
    for number in range(1_000_000):
        for name in names:
            api.put(LEASES, name, NODE_LEASES, spec={"renewTime": str(number)})
        await asyncio.sleep(GRACE / 6)


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, *alive: str) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    lifecycle = NodeLifecycle(api, informers, recorder, GRACE)
    living = asyncio.create_task(renew(api, *alive))
    async with running(informers, lifecycle, recorder):
        yield
    living.cancel()


def taints(api: FakeApi, node: str) -> list[str]:
    item = api.objects["nodes"][NamespacedName("", node)]
    return [f"{t['key'].removeprefix(OURS)}:{t['effect']}" for t in item["spec"].get("taints") or []]


def pods(api: FakeApi) -> list[str]:
    return [pod["metadata"]["name"] for pod in api.all(PODS) if "deletionTimestamp" not in pod["metadata"]]


async def test_a_silent_node_is_unreachable_and_loses_its_pods_until_it_speaks_again(api: FakeApi) -> None:
    api.put(LEASES, "node-2", NODE_LEASES, spec={"renewTime": "once"})
    async with at_work(api, "node-1"):
        await api.until(lambda: taints(api, "node-2") == ["unreachable:NoSchedule", "unreachable:NoExecute"])
        await api.until(lambda: pods(api) == ["on-node-1"])
        (condition,) = api.objects["nodes"][NamespacedName("", "node-2")]["status"]["conditions"]
        assert (condition["status"], condition["reason"]) == ("Unknown", "NodeStatusUnknown")
        again = asyncio.create_task(renew(api, "node-2"))
        api.put(NODES, "node-2", status=node_fields("node-2")["status"])
        await api.until(lambda: not taints(api, "node-2"))
        again.cancel()
    assert taints(api, "node-1") == []


async def test_when_all_nodes_are_silent_no_pod_is_sent_away(api: FakeApi) -> None:
    for name in ("node-1", "node-2"):
        api.put(LEASES, name, NODE_LEASES, spec={"renewTime": "once"})
    async with at_work(api):
        await api.until(lambda: taints(api, "node-1") == taints(api, "node-2") == ["unreachable:NoSchedule"])
        await api.until(
            lambda: not any(c["status"] == "True" for p in api.all(PODS) for c in p["status"]["conditions"])
        )
    assert pods(api) == ["on-node-1", "on-node-2"]


async def test_a_cordoned_node_is_tainted_and_a_node_without_a_lease_is_not_judged(api: FakeApi) -> None:
    api.put(NODES, "node-2", spec={"unschedulable": True})
    async with at_work(api, "node-1"):
        await api.until(lambda: taints(api, "node-2") == ["unschedulable:NoSchedule"])
        await asyncio.sleep(GRACE * 1.5)
    assert taints(api, "node-2") == ["unschedulable:NoSchedule"]


async def test_pods_of_a_node_that_is_gone_follow_it(api: FakeApi) -> None:
    api.remove(NODES, NamespacedName("", "node-2"))
    async with at_work(api, "node-1"):
        await api.until(lambda: pods(api) == ["on-node-1"])
