from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import pytest

from podwire.controllers.balancers.local_cloud import LOCAL_CLASS, LocalCloud
from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.balancers.provider import BalancerError, Ensured, Provider
from podwire.controllers.balancers.service_controller import FINALIZER, ServiceController
from podwire.kube.client import ApiError
from podwire.kube.core import EXCLUDE_FROM_LOAD_BALANCERS, Node
from podwire.kube.kinds import EVENTS, NODES, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.services import BALANCER_IPS, LoadBalancerIngress, Service
from podwire.kube.shared_informers import SharedInformers
from tests.kube.fake_api import FakeApi, running

POOLS = BalancerPools(("10.0.0.0/30", "fd00::/126"), ("10.1.0.0/30",))
PORTS = [{"port": 80, "protocol": "TCP"}]


@pytest.fixture
async def api() -> FakeApi:
    server = FakeApi()
    server.put(NODES, "node-1")
    return server


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, provider: Provider | None = None) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "service-controller")
    controller = ServiceController(api, informers, recorder, provider or LocalCloud(POOLS))
    async with running(informers, controller, recorder):
        yield


def serve(api: FakeApi, name: str = "web", annotations: dict[str, str] | None = None, **spec: Any) -> None:
    whole = {"type": "LoadBalancer", "ports": PORTS, "ipFamilies": ["IPv4"], **spec}
    metadata = {} if annotations is None else {"annotations": annotations}
    api.put(SERVICES, name, "shop", spec=whole, metadata=metadata)


def service(api: FakeApi, name: str = "web") -> dict[str, Any]:
    return api.objects["services"][NamespacedName("shop", name)]


def ips(api: FakeApi, name: str = "web") -> list[str]:
    ingress = service(api, name).get("status", {}).get("loadBalancer", {}).get("ingress", [])
    return [entry["ip"] for entry in ingress]


def finalizers(api: FakeApi, name: str = "web") -> list[str]:
    found: list[str] = service(api, name)["metadata"].get("finalizers", [])
    return found


def events(api: FakeApi, name: str = "web") -> list[str]:
    return [item["reason"] for item in api.all(EVENTS) if item["involvedObject"]["name"] == name]


def message(api: FakeApi, reason: str) -> str:
    return next((item["message"] for item in api.all(EVENTS) if item["reason"] == reason), "")


async def test_a_service_gets_an_address_and_its_deletion_frees_it(api: FakeApi) -> None:
    serve(api)
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"])
        assert service(api)["status"]["loadBalancer"]["ingress"] == [{"ip": "10.0.0.1", "ipMode": "VIP"}]
        assert finalizers(api) == [FINALIZER]
        await api.until(lambda: events(api) == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"])
        serve(api, "both", ipFamilies=["IPv6", "IPv4"])
        await api.until(lambda: ips(api, "both") == ["fd00::1", "10.0.0.2"])
        serve(api, "late")
        await api.until(lambda: "AllocationFailed" in events(api, "late"))
        assert "no IPv4 address is left in the public pool" in message(api, "AllocationFailed")
        assert ips(api, "late") == []
        await api.delete(SERVICES, NamespacedName("shop", "web"))
        await api.until(lambda: NamespacedName("shop", "web") not in api.objects["services"])
        await api.until(lambda: ips(api, "late") == ["10.0.0.1"])
        await api.until(lambda: "DeletedLoadBalancer" in events(api))


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "ExternalName"])
async def test_a_change_of_type_both_ways_frees_the_address_and_takes_one(api: FakeApi, kind: str) -> None:
    serve(api)
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"])
        serve(api, type=kind)
        await api.until(lambda: ips(api) == [] and finalizers(api) == [])
        serve(api, "other")
        await api.until(lambda: ips(api, "other") == ["10.0.0.1"])
        serve(api)
        await api.until(lambda: ips(api) == ["10.0.0.2"])


async def test_only_services_without_a_class_or_of_this_one_are_served(api: FakeApi) -> None:
    serve(api, "foreign", loadBalancerClass="example.com/metal")
    serve(api, "inner", type="ClusterIP")
    serve(api, "mine", loadBalancerClass=LOCAL_CLASS)
    async with at_work(api):
        await api.until(lambda: ips(api, "mine") == ["10.0.0.1"])
        assert [ips(api, name) + finalizers(api, name) for name in ("foreign", "inner")] == [[], []]


async def test_a_restart_keeps_all_addresses_and_writes_nothing(api: FakeApi) -> None:
    serve(api, "b")
    async with at_work(api):
        await api.until(lambda: ips(api, "b") == ["10.0.0.1"])
        serve(api, "a", {BALANCER_IPS: "10.0.0.2"})
        await api.until(lambda: ips(api, "a") == ["10.0.0.2"] and len(api.all(EVENTS)) == 4)
    api.calls.clear()
    api.remove(SERVICES, NamespacedName("shop", "a"))
    serve(api, "c")
    async with at_work(api):
        await api.until(lambda: ips(api, "c") == ["10.0.0.2"])
        assert ips(api, "b") == ["10.0.0.1"]
    assert api.calls["PATCH", "services"] == 2, "the finalizer and the status of the new Service"
    assert events(api, "b") == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"]


async def test_a_requested_address_that_is_in_use_is_given_when_it_is_free(api: FakeApi) -> None:
    serve(api, "holder", loadBalancerIP="10.0.0.2")
    async with at_work(api):
        await api.until(lambda: ips(api, "holder") == ["10.0.0.2"])
        serve(api, loadBalancerIP="10.0.0.2")
        await api.until(lambda: "AllocationFailed" in events(api))
        assert "address 10.0.0.2 is in use by Service shop/holder" in message(api, "AllocationFailed")
        serve(api, "holder", loadBalancerIP="10.0.0.1")
        await api.until(lambda: ips(api, "holder") == ["10.0.0.1"] and ips(api) == ["10.0.0.2"])
        serve(api, loadBalancerIP="192.0.2.1")
        await api.until(lambda: events(api).count("AllocationFailed") == 2)
        assert ips(api) == ["10.0.0.2"], "it keeps what it has"


async def test_an_internal_balancer_leaves_the_public_address(api: FakeApi) -> None:
    serve(api)
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"])
        serve(api, annotations={"networking.gke.io/load-balancer-type": "Internal"})
        await api.until(lambda: ips(api) == ["10.1.0.1"])
        for name in ("x", "y"):
            serve(api, name, {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"})
        await api.until(
            lambda: ips(api, "x") + ips(api, "y") == ["10.1.0.2"] and "AllocationFailed" in events(api, "y")
        )
        serve(api, "web", {})
        await api.until(lambda: ips(api) == ["10.0.0.1"] and ips(api, "y") == ["10.1.0.1"])


async def test_a_public_address_is_lost_when_no_internal_one_is_left(api: FakeApi) -> None:
    for name in ("x", "y"):
        serve(api, name, {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"})
    serve(api)
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"] and len(ips(api, "x") + ips(api, "y")) == 2)
        serve(api, annotations={"service.beta.kubernetes.io/aws-load-balancer-internal": "true"})
        await api.until(lambda: ips(api) == [] and "AllocationFailed" in events(api))


async def test_a_status_that_someone_else_wrote_is_corrected(api: FakeApi) -> None:
    serve(api)
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"])
        api.put(SERVICES, "web", "shop", status={"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}})
        await api.until(lambda: ips(api) == ["10.0.0.1"])


async def test_a_service_that_lost_its_finalizer_frees_its_address(api: FakeApi) -> None:
    serve(api)
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"])
        api.remove(SERVICES, NamespacedName("shop", "web"))
        serve(api, "next")
        serve(api, "last")
        await api.until(
            lambda: ips(api, "next") + ips(api, "last") in (["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"])
        )


async def test_a_change_that_no_provider_reads_is_no_event(api: FakeApi) -> None:
    serve(api)
    async with at_work(api):
        await api.until(lambda: events(api) == ["EnsuringLoadBalancer", "EnsuredLoadBalancer"])
        serve(api, trafficDistribution="PreferClose")
        serve(api, "other")
        await api.until(lambda: len(events(api, "other")) == 2)
        assert [item["count"] for item in api.all(EVENTS)] == [1] * 4
        serve(api, sessionAffinity="ClientIP")
        await api.until(lambda: [item["count"] for item in api.all(EVENTS)] == [1, 1, 2, 2])


def count(api: FakeApi, reason: str, name: str = "web") -> int:
    """How often an event of this reason occurred."""
    found = (item for item in api.all(EVENTS) if item["involvedObject"]["name"] == name and item["reason"] == reason)
    return sum(item["count"] for item in found)


async def refused(api: FakeApi, name: str) -> None:
    await api.until(lambda: count(api, "AllocationFailed", name) == 1)


def created(api: FakeApi, name: str, day: int) -> None:
    """Another time of creation."""
    metadata = {**service(api, name)["metadata"], "creationTimestamp": f"2026-01-0{day}T00:00:00Z"}
    api.put(SERVICES, name, "shop", metadata=metadata)


async def test_a_released_address_is_for_the_oldest_that_waits(api: FakeApi) -> None:
    for name in ("holder", "other"):
        serve(api, name)
    async with at_work(api):
        await api.until(lambda: len(ips(api, "holder") + ips(api, "other")) == 2)
        for name, day in (("a", 4), ("b", 2), ("c", 3)):
            serve(api, name)
            created(api, name, day)
            await refused(api, name)
        api.remove(SERVICES, NamespacedName("shop", "holder"))
        await api.until(lambda: bool(ips(api, "b")))
        await api.delete(SERVICES, NamespacedName("shop", "other"))
        await api.until(lambda: bool(ips(api, "c")))
        assert ips(api, "a") == []
        assert count(api, "AllocationFailed", "a") == 1, "the same failure is reported once"


async def test_a_failure_is_reported_again_when_the_service_has_changed(api: FakeApi) -> None:
    serve(api, loadBalancerIP="192.0.2.1")
    async with at_work(api):
        await api.until(lambda: count(api, "AllocationFailed") == 1)
        serve(api, loadBalancerIP="192.0.2.1", sessionAffinity="ClientIP")
        await api.until(lambda: count(api, "AllocationFailed") == 2)


async def test_a_service_of_another_class_keeps_what_that_class_wrote(api: FakeApi) -> None:
    serve(api)
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"])
        api.hold(SERVICES)
        serve(api, loadBalancerClass="example.com/metal")
        api.put(SERVICES, "web", "shop", status={"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}})
        api.hold()
        await api.until(lambda: finalizers(api) == [])
        assert ips(api) == ["192.0.2.9"]
        serve(api, "next")
        await api.until(lambda: ips(api, "next") == ["10.0.0.1"])


async def test_a_service_that_changes_while_its_balancer_is_made_gets_no_address(api: FakeApi) -> None:
    serve(api)
    cloud = Cloud()
    cloud.meanwhile = lambda: serve(api, type="ClusterIP")
    async with at_work(api, cloud):
        await api.until(lambda: cloud.calls[-1:] == [("delete", "web")] and finalizers(api) == [])
    assert not any("status" in item and item["status"] for item in api.history(SERVICES))


class Cloud:
    """A provider that records calls, and fails on request."""

    balancer_class = "example.com/cloud"

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.failures: list[Exception] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def start(self, services: Iterable[Service]) -> None:
        self.calls.append(("start", *(item.metadata.name for item in services)))

    async def ensure(self, _: Service, nodes: Sequence[Node]) -> Ensured:
        self.calls.append(("ensure", *(node.metadata.name for node in nodes)))
        self.meanwhile()
        if self.failures:
            raise self.failures.pop()
        return Ensured((LoadBalancerIngress(hostname="web.example.com"),))

    async def update(self, _: Service, nodes: Sequence[Node]) -> bool:
        self.calls.append(("update", *(node.metadata.name for node in nodes)))
        return True

    async def delete(self, service: Service) -> bool:
        self.calls.append(("delete", service.metadata.name))
        if self.failures:
            raise self.failures.pop()
        return True


async def test_a_cloud_follows_the_nodes(api: FakeApi) -> None:
    serve(api)
    cloud = Cloud()
    async with at_work(api, cloud):
        await api.until(lambda: "EnsuredLoadBalancer" in events(api))
        assert service(api)["status"]["loadBalancer"]["ingress"] == [{"hostname": "web.example.com"}]
        api.put(NODES, "node-2")
        await api.until(lambda: "UpdatedLoadBalancer" in events(api))
        api.put(NODES, "node-1", metadata={"labels": {EXCLUDE_FROM_LOAD_BALANCERS: ""}})
        await api.until(lambda: cloud.calls[-1] == ("update", "node-2"))
        api.put(NODES, "node-2", metadata={"labels": {"shelf": "3"}})
        api.put(NODES, "node-2", metadata={"labels": {EXCLUDE_FROM_LOAD_BALANCERS: "true"}})
        await api.until(lambda: "UnAvailableLoadBalancer" in events(api))
        assert cloud.calls == [
            ("start", "web"),
            ("ensure", "node-1"),
            ("update", "node-1", "node-2"),
            ("update", "node-2"),
            ("update",),
        ]


async def test_a_cloud_that_fails_is_tried_again(api: FakeApi) -> None:
    serve(api)
    cloud = Cloud()
    cloud.failures = [ConnectionResetError("no answer"), BalancerError("still being made", retry_after=0.01)]
    async with at_work(api, cloud):
        await api.until(lambda: "EnsuredLoadBalancer" in events(api))
        assert events(api).count("SyncLoadBalancerFailed") == 2
        assert len(cloud.calls) == 4
        cloud.failures = [BalancerError("busy")]
        await api.delete(SERVICES, NamespacedName("shop", "web"))
        await api.until(lambda: NamespacedName("shop", "web") not in api.objects["services"])
        assert cloud.calls[-2:] == [("delete", "web")] * 2
        await api.until(lambda: "DeleteLoadBalancerFailed" in events(api))


async def test_a_conflict_of_the_status_is_resolved_and_a_lost_answer_repeated(api: FakeApi) -> None:
    serve(api)
    api.lose_answers["PATCH", "services"] = 2
    async with at_work(api):
        await api.until(lambda: ips(api) == ["10.0.0.1"])
    api.refuse["PATCH", "services"] = ApiError(409, "Conflict", "changed")
    serve(api, loadBalancerIP="10.0.0.2")
    async with at_work(api):
        await api.until(lambda: api.calls["PATCH", "services"] > 6)
        api.refuse.clear()
        await api.until(lambda: ips(api) == ["10.0.0.2"])
