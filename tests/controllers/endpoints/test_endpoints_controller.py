"""The older Endpoints objects, both ways: written for pods, and read into slices."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from podwire.controllers.endpoints import endpoints_conversion
from podwire.controllers.endpoints.endpoints_controller import EndpointsController
from podwire.controllers.endpoints.mirroring_controller import MirroringController
from podwire.kube.core import Pod
from podwire.kube.endpoints import Endpoints
from podwire.kube.kinds import ENDPOINT_SLICES, ENDPOINTS, EVENTS, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import READY, pod, service
from tests.kube.fake_api import FakeApi, running

WEB = NamespacedName("shop", "web")


def addresses(item: Any) -> list[tuple[list[str], list[str]]]:
    return [([a.ip for a in s.addresses], [a.ip for a in s.not_ready_addresses]) for s in item]


def test_pods_of_the_first_family_ready_and_not() -> None:
    pods = [
        pod("a", ips=["10.244.1.5", "fd00::5"]),
        pod("b", ips=["10.244.1.6"], ready=False),
        pod("c", ips=["10.244.1.7"], ending=True),
        pod("d", ips=["fd00::8"]),
    ]
    found = endpoints_conversion.content(service(), pods).subsets
    assert addresses(found) == [(["10.244.1.5"], ["10.244.1.6"])]
    assert [(port.port, port.protocol) for port in found[0].ports] == [(80, "TCP")]


def test_ready_addresses_are_kept_before_others_where_there_are_too_many() -> None:
    def pods(ready: int, others: int) -> list[Pod]:
        return [pod(f"p{n}", ips=[f"10.0.{n // 256}.{n % 256}"], ready=n >= others) for n in range(ready + others)]

    def counts(ready: int, others: int) -> tuple[int, int, bool]:
        found = endpoints_conversion.content(service(), pods(ready, others))
        (subset,) = found.subsets
        return len(subset.addresses), len(subset.not_ready_addresses), found.truncated

    assert counts(999, 1) == (999, 1, False)
    assert counts(999, 2) == (999, 1, True)
    assert counts(1001, 5) == (1000, 0, True)


def test_labels_are_those_of_the_service_and_of_the_controller() -> None:
    labels = endpoints_conversion.labels(service(clusterIP="None", labels={"team": "x"}))
    assert labels == {
        "team": "x",
        "service.kubernetes.io/headless": "",
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
    }


def test_a_mirror_holds_each_address_once_and_skips_those_that_traffic_may_not_go_to() -> None:
    subset = {"addresses": [{"ip": ip} for ip in ("192.0.2.1", "192.0.2.1", "127.0.0.1")], "ports": [{"port": 80}]}
    item = msgspec.convert({"subsets": [subset]}, Endpoints)
    (group,) = endpoints_conversion.mirror(item).endpoints["IPv4"].values()
    assert [entry.addresses for entry in group] == [("192.0.2.1",)]


@pytest.mark.parametrize(
    ("labels", "selector", "mirrored"),
    [({}, {}, True), ({}, {"app": "web"}, False), ({"endpointslice.kubernetes.io/skip-mirror": "true"}, {}, False)],
)
def test_what_is_mirrored(labels: dict[str, str], selector: dict[str, str], mirrored: bool) -> None:
    item = msgspec.convert({"metadata": {"name": "web", "labels": labels}}, Endpoints)
    assert endpoints_conversion.mirrored(item, service(selector=selector)) is mirrored
    assert endpoints_conversion.mirrored(item, None) is False


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi) -> AsyncIterator[None]:
    informers, recorder = SharedInformers(api), Recorder(api, "endpoint-slice-mirroring-controller")
    mirroring = MirroringController(api, informers, recorder)
    async with running(informers, EndpointsController(api, informers), mirroring, recorder):
        yield


async def test_endpoints_follow_pods_and_go_with_their_service(api: FakeApi) -> None:
    api.put(
        SERVICES, "web", "shop", spec={"selector": {"app": "web"}, "ports": [{"port": 80}], "clusterIP": "10.96.0.5"}
    )
    status = {"phase": "Running", "podIPs": [{"ip": "10.244.1.5"}], "conditions": [READY]}
    api.put(PODS, "a", "shop", metadata={"labels": {"app": "web"}}, spec={}, status=status)
    async with at_work(api):
        await api.until(lambda: bool(api.all(ENDPOINTS)) and bool(api.all(ENDPOINTS)[0]["subsets"]))
        assert api.all(ENDPOINTS)[0]["subsets"][0]["addresses"][0]["ip"] == "10.244.1.5"
        api.remove(PODS, NamespacedName("shop", "a"))
        await api.until(lambda: not api.all(ENDPOINTS)[0]["subsets"])
        api.remove(SERVICES, WEB)
        await api.until(lambda: not api.all(ENDPOINTS))
    assert api.all(ENDPOINT_SLICES) == []


async def test_hand_written_endpoints_are_deleted_with_their_service_and_those_without_one_stay(api: FakeApi) -> None:
    api.put(SERVICES, "web", "shop", spec={"ports": [{"port": 80}]})
    for name in ("web", "leader"):
        api.put(ENDPOINTS, name, "shop", subsets=[])
    async with at_work(api):
        api.remove(SERVICES, WEB)
        await api.until(lambda: [item["metadata"]["name"] for item in api.all(ENDPOINTS)] == ["leader"])


async def test_hand_written_endpoints_become_slices_of_both_families(api: FakeApi) -> None:
    api.put(SERVICES, "web", "shop", spec={"ports": [{"port": 80}]})
    subset = {"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "ports": [{"port": 8080}]}
    trigger = "endpoints.kubernetes.io/last-change-trigger-time"
    api.put(ENDPOINTS, "web", "shop", metadata={"annotations": {"team": "x", trigger: "now"}}, subsets=[subset])
    async with at_work(api):
        await api.until(lambda: len(api.all(ENDPOINT_SLICES)) == 2)
        assert [item["metadata"]["annotations"] for item in api.all(ENDPOINT_SLICES)] == [{"team": "x"}] * 2
        found = {item["addressType"]: item for item in api.all(ENDPOINT_SLICES)}
        assert found["IPv6"]["endpoints"][0]["addresses"] == ["2001:db8::1"]
        assert found["IPv4"]["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
        assert found["IPv4"]["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        api.put(ENDPOINTS, "web", "shop", subsets=[{**subset, "addresses": [{"ip": "192.0.2.2"}]}])
        await api.until(lambda: [s["endpoints"][0]["addresses"] for s in api.all(ENDPOINT_SLICES)] == [["192.0.2.2"]])
        api.put(SERVICES, "web", "shop", spec={"ports": [{"port": 80}], "selector": {"app": "web"}})
        await api.until(lambda: api.all(ENDPOINT_SLICES) == [])


def numbered(first: int, count: int) -> list[dict[str, str]]:
    return [{"ip": f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"} for n in range(first, first + count)]


def test_a_mirror_has_a_limit_for_all_addresses_with_the_same_ports() -> None:
    ports, others = [{"port": 80}], [{"port": 81}]
    subsets = [
        {"addresses": numbered(1, 600), "notReadyAddresses": numbered(5000, 300), "ports": ports},
        {"addresses": [*numbered(9000, 300), {"ip": "127.0.0.1"}], "ports": ports},
        {"addresses": numbered(1, 5), "ports": others},
    ]
    mirror = endpoints_conversion.mirror(msgspec.convert({"subsets": subsets}, Endpoints))
    large, small = mirror.endpoints["IPv4"].values()
    assert (len(large), len(small), mirror.invalid, mirror.excess) == (1000, 5, 1, 200)
    assert sum(entry.ready for entry in large) == 900, "ready ones first"


async def test_a_mirror_is_one_slice_follows_annotations_and_reports_what_it_leaves_out(api: FakeApi) -> None:
    api.put(SERVICES, "web", "shop", spec={"ports": [{"port": 80}]})
    subset = {"addresses": [*numbered(1, 1001), {"ip": "169.254.0.1"}], "ports": [{"port": 8080}]}
    api.put(ENDPOINTS, "web", "shop", metadata={"annotations": {"team": "x"}}, subsets=[subset])
    async with at_work(api):
        await api.until(lambda: [len(item["endpoints"]) for item in api.all(ENDPOINT_SLICES)] == [1000])
        await api.until(lambda: len(api.all(EVENTS)) == 2)
        assert {item["reason"]: item["message"] for item in api.all(EVENTS)} == {
            "InvalidIPAddress": "Skipped 1 invalid IP addresses when mirroring to EndpointSlices",
            "TooManyAddressesToMirror": "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints "
            "subset. 2 addresses were skipped",
        }
        api.put(ENDPOINTS, "web", "shop", metadata={"annotations": {"team": "y"}, "labels": {"tier": "1"}})
        await api.until(lambda: api.all(ENDPOINT_SLICES)[0]["metadata"]["annotations"] == {"team": "y"})
        assert api.all(ENDPOINT_SLICES)[0]["metadata"]["labels"]["tier"] == "1"


async def test_the_slices_of_endpoints_that_were_made_again_belong_to_them(api: FakeApi) -> None:
    """The garbage collector deletes slices whose owner does not exist."""
    api.put(SERVICES, "web", "shop", spec={"ports": [{"port": 80}]})
    subset = {"addresses": numbered(1, 1), "ports": [{"port": 8080}]}
    api.put(ENDPOINTS, "web", "shop", subsets=[subset])
    async with at_work(api):
        await api.until(lambda: len(api.all(ENDPOINT_SLICES)) == 1)
        api.hold(ENDPOINTS)
        api.remove(ENDPOINTS, WEB)
        uid = api.put(ENDPOINTS, "web", "shop", subsets=[subset])["metadata"]["uid"]
        api.hold()
        await api.until(lambda: [s["metadata"]["ownerReferences"][0]["uid"] for s in api.all(ENDPOINT_SLICES)] == [uid])
