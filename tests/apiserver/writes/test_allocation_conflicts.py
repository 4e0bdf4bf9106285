from __future__ import annotations

import logging
from typing import Any

import pytest

from podwire.apiserver.main import running
from podwire.apiserver.writes import allocation_conflicts
from podwire.apiserver.writes.service_allocator import ServiceRanges
from tests.apiserver.conftest import Files, Talk, configuration
from tests.apiserver.writes.services import DUAL, SINGLE

SERVICES = "/api/v1/namespaces/default/services"
EVENTS = "/api/v1/namespaces/default/events"


def stored(name: str, created: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "creationTimestamp": created}
    return {"metadata": metadata, "spec": {"type": "NodePort", **spec}}


def found(*services: dict[str, Any], ranges: ServiceRanges = DUAL) -> list[tuple[str, str, str]]:
    conflicts = allocation_conflicts.find(services, ranges.networks, ranges.node_ports)
    return [(one.service["metadata"]["name"], one.reason, one.message) for one in conflicts]


def test_the_oldest_service_has_the_number() -> None:
    held = {"clusterIPs": ["10.96.0.9", "fd00:10:96::9"], "ports": [{"nodePort": 30080}]}
    again = "was assigned to multiple services; please recreate service"
    assert found(stored("new", "2026-02-01", **held), stored("old", "2026-01-01", **held)) == [
        ("new", "PortAlreadyAllocated", f"Port 30080 {again}"),
        ("new", "ClusterIPAlreadyAllocated", f"Cluster IP [IPv4]:10.96.0.9 {again}"),
        ("new", "ClusterIPAlreadyAllocated", f"Cluster IP [IPv6]:fd00:10:96::9 {again}"),
    ]


def test_one_number_for_two_protocols_of_a_service_is_no_conflict() -> None:
    ports = [{"protocol": "TCP", "nodePort": 30053}, {"protocol": "UDP", "nodePort": 30053}]
    assert found(stored("dns", "2026-01-01", clusterIPs=["10.96.0.10"], ports=ports)) == []
    assert found(stored("headless", "2026-01-01", clusterIPs=["None"])) == []


def test_numbers_of_no_range_are_named() -> None:
    outside = stored("old", "2026-01-01", clusterIPs=["10.97.0.9"], ports=[{"nodePort": 30005}])
    assert found(outside, ranges=SINGLE) == [
        (
            "old",
            "PortOutOfRange",
            "Port 30005 is not within the port range 30000-30003; please recreate service",
        ),
        (
            "old",
            "ClusterIPOutOfRange",
            "Cluster IP [IPv4]: 10.97.0.9 is not within any configured Service CIDR; please recreate service",
        ),
    ]


async def test_a_conflict_is_one_event_of_the_service_over_restarts(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    database = str(files.folder / "store.db")
    body = {"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}}
    async with running(configuration(files, database)) as server:
        await Talk(server).ok("POST", SERVICES, body)
        assert (await Talk(server).ok("GET", EVENTS))["items"] == []
    for _ in range(2):
        async with running(configuration(files, database, node_port_range=(31000, 31999))) as server:
            events = (await Talk(server).ok("GET", EVENTS))["items"]
            assert [(one["involvedObject"]["name"], one["reason"]) for one in events] == [("web", "PortOutOfRange")]
            described = await Talk(server).ok(
                "GET", f"/apis/events.k8s.io/v1/namespaces/default/events/{events[0]['metadata']['name']}"
            )
            assert described["reportingController"] == "portallocator-repair-controller"
    assert "Service default/web: Port 30080 is not within the port range 31000-31999" in caplog.text
