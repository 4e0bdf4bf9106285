"""Nodes get a range of each pool of namespaces, and keep it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

import pytest

from podwire.controllers.ranges.namespace_pools import NamespacePoolController
from podwire.kube.kinds import EVENTS, NODES
from podwire.kube.meta import NamespacedName
from podwire.kube.pod_pools import ANNOTATION, namespace_pool, ranges_by_pool
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.kube.fake_api import FakeApi, running


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, *pools: str) -> AsyncIterator[NamespacePoolController]:
    informers, recorder = SharedInformers(api), Recorder(api, "test")
    controller = NamespacePoolController(api, informers, recorder, [namespace_pool(text) for text in pools])
    async with running(informers, controller, recorder):
        yield controller


def ranges(api: FakeApi, name: str) -> Mapping[str, tuple[str, ...]]:
    metadata = api.objects["nodes"][NamespacedName("", name)]["metadata"]
    return ranges_by_pool(metadata.get("annotations", {}))


def events(api: FakeApi) -> set[str]:
    return {item["reason"] for item in api.all(EVENTS)}


async def test_each_node_has_a_range_of_each_pool_that_is_for_it_and_keeps_it(api: FakeApi) -> None:
    for name in "ab":
        api.put(NODES, name, metadata={"labels": {"zone": name}, "annotations": {"other": "kept"}})
    pools = ("red=10.60.0.0/24:26,fd00:60::/60", "blue=10.61.0.0/24:25@zone=b")
    async with at_work(api, *pools):
        await api.until(lambda: "red" in ranges(api, "a") and "blue" in ranges(api, "b"))
    given = {name: ranges(api, name) for name in "ab"}
    assert sorted(given[name]["red"] for name in "ab") == [
        ("10.60.0.0/26", "fd00:60::/64"),
        ("10.60.0.64/26", "fd00:60:0:1::/64"),
    ]
    assert given["b"]["blue"] == ("10.61.0.0/25",)
    assert "blue" not in given["a"]
    assert api.objects["nodes"][NamespacedName("", "a")]["metadata"]["annotations"]["other"] == "kept"
    api.put(NODES, "c")
    async with at_work(api, *pools) as controller:
        await api.until(lambda: "red" in ranges(api, "c"))
        assert controller.free == {"10.60.0.0/24": 1, "fd00:60::/60": 13, "10.61.0.0/24": 1}
    assert {name: ranges(api, name) for name in "ab"} == given
    assert ranges(api, "c")["red"] == ("10.60.0.128/26", "fd00:60:0:2::/64")


async def test_an_exhausted_pool_is_an_event_until_a_node_goes(api: FakeApi) -> None:
    for name in "ab":
        api.put(NODES, name)
    async with at_work(api, "red=10.60.0.0/26:26"):
        await api.until(lambda: "NamespacePoolExhausted" in events(api))
        has, lacks = ("a", "b") if "red" in ranges(api, "a") else ("b", "a")
        assert "red" not in ranges(api, lacks)
        api.remove(NODES, NamespacedName("", has))
        await api.until(lambda: "red" in ranges(api, lacks))
        assert ranges(api, lacks)["red"] == ("10.60.0.0/26",)


async def test_a_range_that_two_nodes_have_is_reported(api: FakeApi) -> None:
    for name in "ab":
        api.put(NODES, name, metadata={"annotations": {ANNOTATION: '{"red": ["10.60.0.0/26"]}'}})
    async with at_work(api, "red=10.60.0.0/24:26"):
        await api.until(lambda: "PodRangesOverlap" in events(api))


async def test_what_is_no_range_of_the_pool_is_replaced(api: FakeApi) -> None:
    api.put(NODES, "a", metadata={"annotations": {ANNOTATION: '{"red": ["10.244.0.0/24"]}'}})
    async with at_work(api, "red=10.60.0.0/24:26"):
        await api.until(lambda: ranges(api, "a").get("red") == ("10.60.0.0/26",))


async def test_of_two_nodes_with_one_range_that_without_the_annotation_gets_another(api: FakeApi) -> None:
    for name in "ab":
        api.put(NODES, name, metadata={"annotations": {ANNOTATION: '{"red": ["10.60.0.0/26"]}'}})
    async with at_work(api, "red=10.60.0.0/24:26"):
        await api.until(lambda: "PodRangesOverlap" in events(api))
        api.put(NODES, "b", metadata={"annotations": {"other": "kept"}})
        await api.until(lambda: ranges(api, "b").get("red") == ("10.60.0.64/26",))
    assert ranges(api, "a")["red"] == ("10.60.0.0/26",)


async def test_a_range_of_another_size_is_kept_and_given_to_no_other_node(api: FakeApi) -> None:
    """Pods of the node may have its addresses."""
    api.put(NODES, "a", metadata={"annotations": {ANNOTATION: '{"red": ["10.60.0.64/26"]}'}})
    async with at_work(api, "red=10.60.0.0/23:24"):
        await api.until(lambda: "NamespacePoolMismatch" in events(api))
        api.put(NODES, "b")
        await api.until(lambda: ranges(api, "b").get("red") == ("10.60.1.0/24",))
        assert ranges(api, "a")["red"] == ("10.60.0.64/26",)
        api.put(NODES, "a", metadata={"annotations": {}})
        await api.until(lambda: ranges(api, "a").get("red") == ("10.60.0.0/24",))
