"""The older Endpoints objects, both ways: written for pods, and read into slices."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from podwire.controllers.endpoints import endpoints_conversion
from podwire.controllers.endpoints.endpoints_controller import EndpointsObjects
from podwire.controllers.endpoints.mirroring_controller import Mirroring
from podwire.kube.endpoints import Endpoints
from podwire.kube.kinds import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from podwire.kube.meta import NamespacedName
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
    found = endpoints_conversion.subsets(service(), pods)
    assert addresses(found) == [(["10.244.1.5"], ["10.244.1.6"])]
    assert [(port.port, port.protocol) for port in found[0].ports] == [(80, "TCP")]


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
    informers = SharedInformers(api)
    async with running(informers, EndpointsObjects(api, informers), Mirroring(api, informers)):
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


async def test_hand_written_endpoints_become_slices_of_both_families(api: FakeApi) -> None:
    api.put(SERVICES, "web", "shop", spec={"ports": [{"port": 80}]})
    subset = {"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "ports": [{"port": 8080}]}
    api.put(ENDPOINTS, "web", "shop", subsets=[subset])
    async with at_work(api):
        await api.until(lambda: len(api.all(ENDPOINT_SLICES)) == 2)
        found = {item["addressType"]: item for item in api.all(ENDPOINT_SLICES)}
        assert found["IPv6"]["endpoints"][0]["addresses"] == ["2001:db8::1"]
        assert found["IPv4"]["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
        assert found["IPv4"]["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        api.put(ENDPOINTS, "web", "shop", subsets=[{**subset, "addresses": [{"ip": "192.0.2.2"}]}])
        await api.until(lambda: [s["endpoints"][0]["addresses"] for s in api.all(ENDPOINT_SLICES)] == [["192.0.2.2"]])
        api.put(SERVICES, "web", "shop", spec={"ports": [{"port": 80}], "selector": {"app": "web"}})
        await api.until(lambda: api.all(ENDPOINT_SLICES) == [])
