from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from podwire.controllers.endpoints import slice_packing
from podwire.controllers.endpoints.endpointslice_controller import EndpointSliceController
from podwire.controllers.endpoints.trigger_times import TRIGGER_TIME
from podwire.kube.client import NAMESPACE_TERMINATING, ApiError
from podwire.kube.core import ZONE_LABEL
from podwire.kube.kinds import ENDPOINT_SLICES, EVENTS, NODES, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import READY
from tests.kube.fake_api import CREATED, FakeApi, running

WEB = {"app": "web"}


@pytest.fixture
async def api() -> FakeApi:
    server = FakeApi()
    server.put(NODES, "node-1")
    return server


@contextlib.asynccontextmanager
async def at_work(api: FakeApi) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "endpoint-slice-controller")
    async with running(informers, EndpointSliceController(api, informers, recorder), recorder):
        yield


def serve(api: FakeApi, name: str = "web", **spec: Any) -> None:
    whole = {"selector": WEB, "ports": [{"name": "http", "port": 80}], "clusterIP": "10.96.0.5", **spec}
    api.put(SERVICES, name, "shop", spec=whole)


def pod(api: FakeApi, number: int, *, ready: bool = True, labels: dict[str, str] | None = None) -> None:
    status = {
        "phase": "Running",
        "podIPs": [{"ip": f"10.244.1.{number}"}],
        "conditions": [READY] if ready else [],
    }
    metadata = {"labels": labels or WEB}
    api.put(PODS, f"p{number}", "shop", metadata=metadata, spec={"nodeName": "node-1"}, status=status)


def ready(api: FakeApi, service: str = "web") -> list[str]:
    return sorted(
        endpoint["addresses"][0]
        for item in api.all(ENDPOINT_SLICES)
        if item["metadata"]["labels"]["kubernetes.io/service-name"] == service
        for endpoint in item["endpoints"]
        if endpoint["conditions"]["ready"]
    )


async def test_slices_follow_pods_that_come_become_ready_move_and_go(api: FakeApi) -> None:
    serve(api)
    serve(api, "other", selector={"app": "other"})
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: ready(api) == ["10.244.1.1"])
        pod(api, 2, ready=False)
        await api.until(lambda: len(api.all(ENDPOINT_SLICES)[1]["endpoints"]) == 2)
        assert ready(api) == ["10.244.1.1"]
        pod(api, 2)
        await api.until(lambda: ready(api) == ["10.244.1.1", "10.244.1.2"])
        pod(api, 1, labels={"app": "other"})
        await api.until(lambda: ready(api) == ["10.244.1.2"] and ready(api, "other") == ["10.244.1.1"])
        api.remove(PODS, NamespacedName("shop", "p2"))
        await api.until(lambda: ready(api) == [])


async def test_an_ending_pod_serves_but_is_not_ready(api: FakeApi) -> None:
    serve(api)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: bool(ready(api)))
        await api.delete(PODS, NamespacedName("shop", "p1"))
        await api.until(lambda: not ready(api))
    (item,) = api.all(ENDPOINT_SLICES)
    assert item["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}


async def test_a_pod_whose_node_does_not_exist_is_no_endpoint_unless_all_addresses_are_published(api: FakeApi) -> None:
    serve(api)
    serve(api, "all", publishNotReadyAddresses=True)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: ready(api) == ready(api, "all") == ["10.244.1.1"])
        api.remove(NODES, NamespacedName("", "node-1"))
        await api.until(lambda: ready(api) == [])
        assert ready(api, "all") == ["10.244.1.1"]
        api.put(NODES, "node-1")
        await api.until(lambda: ready(api) == ["10.244.1.1"])


async def test_a_service_that_was_made_again_gets_slices_of_its_own(api: FakeApi) -> None:
    """The garbage collector deletes those of the former one: endpoints would be gone until they are written again."""
    serve(api)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: bool(ready(api)))
        api.hold(SERVICES)
        api.remove(SERVICES, NamespacedName("shop", "web"))
        serve(api)
        uid = api.all(SERVICES)[0]["metadata"]["uid"]
        api.hold()
        await api.until(lambda: [s["metadata"]["ownerReferences"][0]["uid"] for s in api.all(ENDPOINT_SLICES)] == [uid])
        assert ready(api) == ["10.244.1.1"]


async def test_slices_of_a_service_that_loses_its_selector_stay(api: FakeApi) -> None:
    serve(api)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: bool(ready(api)))
        serve(api, selector={})
        serve(api, "other")
        await api.until(lambda: bool(ready(api, "other")))
        assert ready(api) == ["10.244.1.1"]


async def test_a_service_without_selector_and_slices_of_others_are_left_alone(api: FakeApi) -> None:
    labels = {"kubernetes.io/service-name": "manual", slice_packing.MANAGED_BY_LABEL: "me"}
    api.put(ENDPOINT_SLICES, "mine", "shop", metadata={"labels": labels}, endpoints=[], addressType="IPv4")
    serve(api, "manual", selector={})
    serve(api)
    async with at_work(api):
        await api.until(lambda: len(api.all(ENDPOINT_SLICES)) == 2)
        api.remove(SERVICES, NamespacedName("shop", "web"))
        await api.until(lambda: [item["metadata"]["name"] for item in api.all(ENDPOINT_SLICES)] == ["mine"])


async def test_a_slice_that_somebody_deleted_or_changed_comes_back(api: FakeApi) -> None:
    serve(api)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: bool(ready(api)))
        name = api.all(ENDPOINT_SLICES)[0]["metadata"]["name"]
        api.remove(ENDPOINT_SLICES, NamespacedName("shop", name))
        await api.until(lambda: ready(api) == ["10.244.1.1"])
        name = api.all(ENDPOINT_SLICES)[0]["metadata"]["name"]
        api.put(ENDPOINT_SLICES, name, "shop", endpoints=[])
        await api.until(lambda: ready(api) == ["10.244.1.1"])
    assert len(api.all(ENDPOINT_SLICES)) == 1


async def test_no_second_slice_while_the_watch_lags(api: FakeApi) -> None:
    serve(api)
    pod(api, 1)
    async with at_work(api):
        api.hold(ENDPOINT_SLICES)
        await api.until(lambda: ready(api) == ["10.244.1.1"])
        pod(api, 2)
        await api.until(lambda: len(ready(api)) == 2)
    assert len(api.all(ENDPOINT_SLICES)) == 1


async def test_the_zone_of_the_node_reaches_its_endpoints(api: FakeApi) -> None:
    serve(api)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: bool(ready(api)))
        api.put(NODES, "node-1", metadata={"labels": {ZONE_LABEL: "north"}})
        await api.until(lambda: api.all(ENDPOINT_SLICES)[0]["endpoints"][0].get("zone") == "north")


@pytest.mark.parametrize("order", [1, -1])
async def test_the_order_of_news_does_not_matter(api: FakeApi, order: int) -> None:
    steps: list[Callable[[], None]] = [
        lambda: serve(api),
        lambda: pod(api, 1),
        lambda: pod(api, 2),
        lambda: pod(api, 3, ready=False),
    ]
    async with at_work(api):
        for step in steps[::order]:
            step()
            await asyncio.sleep(0)
        await api.until(lambda: ready(api) == ["10.244.1.1", "10.244.1.2"])


async def test_one_change_among_many_services_is_one_write(api: FakeApi) -> None:
    for number in range(1000):
        serve(api, f"s{number}", selector={"app": f"s{number}"})
    serve(api)
    async with at_work(api):
        await api.until(lambda: len(api.all(ENDPOINT_SLICES)) == 1001)
        before = api.calls.total()
        pod(api, 1)
        await api.until(lambda: any(item["endpoints"] for item in api.all(ENDPOINT_SLICES)))
        assert api.calls.total() - before == 1


def zoned(api: FakeApi, *zones: str) -> None:
    """A node with one CPU and a pod of the Service in each zone."""
    for number, zone in enumerate(zones, 1):
        status = {"conditions": [READY], "allocatable": {"cpu": "1"}}
        api.put(NODES, f"node-{number}", metadata={"labels": {ZONE_LABEL: zone} if zone else {}}, status=status)
        pod(api, number)
        api.put(PODS, f"p{number}", "shop", spec={"nodeName": f"node-{number}"})


def hints(api: FakeApi) -> list[Any]:
    """The hints of all endpoints, by address."""
    endpoints = [endpoint for item in api.all(ENDPOINT_SLICES) for endpoint in item["endpoints"]]
    return [endpoint.get("hints") for endpoint in sorted(endpoints, key=lambda endpoint: str(endpoint["addresses"]))]


def for_zones(*zones: str) -> list[Any]:
    return [{"forZones": [{"name": zone}]} for zone in zones]


def topology_events(api: FakeApi) -> list[tuple[str, str]]:
    return [(item["reason"], item["message"]) for item in api.all(EVENTS)]


async def test_hints_follow_the_field_traffic_distribution(api: FakeApi) -> None:
    zoned(api, "north", "south")
    serve(api, trafficDistribution="PreferClose")
    async with at_work(api):
        await api.until(lambda: hints(api) == for_zones("north", "south"))
        serve(api, trafficDistribution="PreferSameNode")
        nodes = [{"forNodes": [{"name": f"node-{n}"}]} for n in (1, 2)]
        both = [zone | node for zone, node in zip(for_zones("north", "south"), nodes, strict=True)]
        await api.until(lambda: hints(api) == both)
        serve(api)
        await api.until(lambda: hints(api) == [None, None])
    assert topology_events(api) == []


async def test_automatic_hints_come_and_go_with_events(api: FakeApi) -> None:
    zoned(api, "north", "")
    serve(api)
    auto = {"annotations": {"service.kubernetes.io/topology-mode": "Auto"}}
    api.put(SERVICES, "web", "shop", metadata=auto)
    async with at_work(api):
        await api.until(lambda: len(api.all(EVENTS)) == 1)
        assert hints(api) == [None, None]
        zoned(api, "north", "south")
        await api.until(lambda: hints(api) == for_zones("north", "south"))
        await api.until(lambda: len(api.all(EVENTS)) == 2)
        zoned(api, "north", "south", "west")
        await api.until(lambda: hints(api) == for_zones("north", "south", "west"))
        api.put(NODES, "node-3", status={"conditions": [{**READY, "status": "False"}], "allocatable": {"cpu": "1"}})
        pod(api, 3, ready=False)
        await api.until(lambda: hints(api) == [*for_zones("north", "south"), None])
        api.put(SERVICES, "web", "shop", metadata={"annotations": {}})
        await api.until(lambda: hints(api) == [None] * 3)
        await api.until(lambda: len(api.all(EVENTS)) == 3)
    no_info = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
    assert topology_events(api) == [
        ("TopologyAwareHintsDisabled", f"{no_info}, addressType: IPv4"),
        ("TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4"),
        ("TopologyAwareHintsDisabled", "Topology Aware Hints has been disabled, addressType: IPv4"),
    ]


async def test_slices_have_the_time_of_the_change(api: FakeApi) -> None:
    serve(api)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: bool(ready(api)))
        annotations = api.all(ENDPOINT_SLICES)[0]["metadata"]["annotations"]
        assert annotations == {TRIGGER_TIME: CREATED}
        changed = {**READY, "lastTransitionTime": "2026-01-01T00:00:07Z"}
        status = {"phase": "Running", "podIPs": [{"ip": "10.244.1.2"}], "conditions": [changed]}
        api.put(PODS, "p2", "shop", metadata={"labels": WEB}, spec={"nodeName": "node-1"}, status=status)
        await api.until(lambda: len(ready(api)) == 2)
        assert api.all(ENDPOINT_SLICES)[0]["metadata"]["annotations"] == {TRIGGER_TIME: "2026-01-01T00:00:07Z"}
        api.remove(PODS, NamespacedName("shop", "p1"))
        await api.until(lambda: len(ready(api)) == 1)
        assert api.all(ENDPOINT_SLICES)[0]["metadata"]["annotations"] == {}


async def test_a_service_that_is_being_deleted_gets_no_new_slices(api: FakeApi) -> None:
    api.put(
        SERVICES, "gone", "shop", metadata={"finalizers": ["x"], "deletionTimestamp": CREATED}, spec={"selector": WEB}
    )
    serve(api)
    pod(api, 1)
    async with at_work(api):
        await api.until(lambda: bool(ready(api)))
        assert ready(api, "gone") == []


async def test_a_namespace_that_is_being_deleted_ends_the_work_on_its_services(api: FakeApi) -> None:
    api.refuse["POST", "endpointslices"] = ApiError(403, "Forbidden", "ending", frozenset({NAMESPACE_TERMINATING}))
    serve(api)
    async with at_work(api):
        await api.until(lambda: api.calls["POST", "endpointslices"] == 1)
        pod(api, 1)
        await api.until(lambda: api.calls["POST", "endpointslices"] == 2)
        api.refuse.clear()
        pod(api, 2)
        await api.until(lambda: len(ready(api)) == 2)
    assert api.calls["POST", "endpointslices"] == 3
