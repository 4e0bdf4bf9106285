from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.controllers.ranges.controller import CONDITION, PodRangeController
from podwire.kube.client import ApiError
from podwire.kube.kinds import EVENTS, NODES
from podwire.kube.meta import NamespacedName
from podwire.kube.pod_pools import pool
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.kube.fake_api import FakeApi, running

READY = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, *pools: str) -> AsyncIterator[PodRangeController]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    controller = PodRangeController(api, informers, recorder, [pool(text) for text in pools])
    async with running(informers, controller, recorder):
        yield controller


def ranges(api: FakeApi, name: str) -> list[str]:
    spec = api.objects["nodes"][NamespacedName("", name)].get("spec", {})
    found: list[str] = spec.get("podCIDRs", [])
    assert spec.get("podCIDR", "") == (found[0] if found else "")
    return found


def condition(api: FakeApi, name: str) -> dict[str, Any]:
    status = api.objects["nodes"][NamespacedName("", name)].get("status", {})
    return next((one for one in status.get("conditions", []) if one["type"] == CONDITION), {})


def events(api: FakeApi) -> set[str]:
    return {item["reason"] for item in api.all(EVENTS)}


async def test_each_node_gets_ranges_and_keeps_them(api: FakeApi) -> None:
    for name in "abc":
        api.put(NODES, name, metadata={"labels": {"pool": "gpu"}} if name == "c" else {})
    async with at_work(api, "10.244.0.0/16,fd00:10:244::/56", "10.250.0.0/16:22@pool=gpu"):
        await api.until(lambda: all(ranges(api, name) for name in "abc"))
    given = {name: ranges(api, name) for name in "abc"}
    assert sorted([given["a"], given["b"]]) == [
        ["10.244.0.0/24", "fd00:10:244::/64"],
        ["10.244.1.0/24", "fd00:10:244:1::/64"],
    ]
    assert given["c"] == ["10.250.0.0/22"]
    assert (condition(api, "a"), events(api)) == ({}, set())
    api.put(NODES, "d")
    async with at_work(api, "10.244.0.0/16,fd00:10:244::/56"):
        await api.until(lambda: bool(ranges(api, "d")))
    assert ranges(api, "d") == ["10.244.2.0/24", "fd00:10:244:2::/64"]
    assert {name: ranges(api, name) for name in "abc"} == given


async def test_exhaustion_is_an_event_and_a_condition_until_a_node_goes(api: FakeApi) -> None:
    api.put(NODES, "a", spec={"podCIDR": "10.0.0.0/30", "podCIDRs": ["10.0.0.0/30"]})
    api.put(NODES, "b", status={"conditions": [READY]})
    async with at_work(api, "10.0.0.0/30:30"):
        await api.until(lambda: "PodPoolExhausted" in events(api) and bool(condition(api, "b")))
        assert (condition(api, "b")["status"], ranges(api, "b")) == ("False", [])
        assert "delete Nodes that no longer exist" in condition(api, "b")["message"]
        assert READY in api.objects["nodes"][NamespacedName("", "b")]["status"]["conditions"]
        api.remove(NODES, NamespacedName("", "a"))
        await api.until(lambda: condition(api, "b")["status"] == "True")
        assert ranges(api, "b") == ["10.0.0.0/30"]
    assert READY in api.objects["nodes"][NamespacedName("", "b")]["status"]["conditions"]


async def test_a_label_that_comes_later_opens_a_pool(api: FakeApi) -> None:
    api.put(NODES, "a")
    async with at_work(api, "10.0.0.0/16@pool=gpu"):
        await api.until(lambda: condition(api, "a").get("reason") == "NoPodPool")
        api.put(NODES, "a", metadata={"labels": {"pool": "gpu"}})
        await api.until(lambda: bool(ranges(api, "a")))


async def test_a_lost_answer_gives_no_second_range(api: FakeApi) -> None:
    api.lose_answers["PATCH", "nodes"] = 1
    api.put(NODES, "a")
    async with at_work(api, "10.0.0.0/16") as controller:
        await api.until(lambda: bool(ranges(api, "a")))
        api.put(NODES, "b")
        await api.until(lambda: bool(ranges(api, "b")))
        assert (ranges(api, "a"), ranges(api, "b")) == (["10.0.0.0/24"], ["10.0.1.0/24"])
        assert controller.free == {"10.0.0.0/16": 254}


async def test_what_another_allocator_wrote_first_is_accepted(api: FakeApi) -> None:
    api.refuse["PATCH", "nodes"] = ApiError(422, "Invalid", "node updates may only change labels")
    api.put(NODES, "a")
    async with at_work(api, "10.0.0.0/16"):
        await api.until(lambda: api.calls["PATCH", "nodes"] > 0)
        api.put(NODES, "a", spec={"podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"]})
        del api.refuse["PATCH", "nodes"]
        api.put(NODES, "b")
        await api.until(lambda: bool(ranges(api, "b")))
    async with at_work(api, "10.0.0.0/16") as controller:
        api.put(NODES, "c")
        await api.until(lambda: bool(ranges(api, "c")))
        assert controller.free == {"10.0.0.0/16": 254}
    assert ranges(api, "a") == ["10.9.0.0/24"]


async def test_nodes_that_overlap_are_reported_with_the_remedy(api: FakeApi) -> None:
    for name, text in (("a", "10.0.4.0/24"), ("b", "10.0.4.0/23")):
        api.put(NODES, name, spec={"podCIDR": text, "podCIDRs": [text]})
    async with at_work(api, "10.0.0.0/16"):
        await api.until(lambda: "PodRangesOverlap" in events(api))
    (event,) = api.all(EVENTS)
    assert "overlap those of a: delete one of these Nodes" in event["message"]


async def test_nodes_that_start_together_never_share_a_range(api: FakeApi) -> None:
    for number in range(60):
        api.put(NODES, f"node-{number}")
    async with at_work(api, "10.0.0.0/16,fd00::/56"):
        await api.until(lambda: all(ranges(api, f"node-{number}") for number in range(60)))
    found = [ipaddress.ip_network(text) for number in range(60) for text in ranges(api, f"node-{number}")]
    assert len(set(found)) == 120
