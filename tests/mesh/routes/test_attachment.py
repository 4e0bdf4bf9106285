"""Which ports of Services a route is attached to, and why it is not."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.edge.gateway.owners import Owner
from tests.mesh.routes.objects import DISABLED, ENROLLED, Cluster, on, to

PORTS = ({"port": 80, "name": "http"}, {"port": 81, "name": "alt"}, {"port": 53, "name": "dns", "protocol": "UDP"})


@pytest.fixture(name="cluster")
def _cluster() -> Cluster:
    found = Cluster()
    found.service("web", *PORTS)
    found.service("headless", clusterIP="None")
    found.service("away", type="ExternalName", clusterIP="")
    return found


@pytest.mark.parametrize(
    ("parent", "reason", "ports"),
    [
        ({}, "Accepted", [80, 81]),
        ({"port": 81}, "Accepted", [81]),
        ({"sectionName": "http"}, "Accepted", [80]),
        ({"sectionName": "http", "port": 80}, "Accepted", [80]),
        ({"sectionName": "http", "port": 81}, "NoMatchingParent", []),
        ({"port": 53}, "NoMatchingParent", []),
        ({"port": 99}, "NoMatchingParent", []),
        ({"sectionName": "no"}, "NoMatchingParent", []),
        ({"name": "no"}, "NoMatchingParent", []),
        ({"name": "headless"}, "UnsupportedValue", []),
        ({"name": "away"}, "UnsupportedValue", []),
    ],
)
def test_ports_of_the_parent(cluster: Cluster, parent: dict[str, Any], reason: str, ports: list[int]) -> None:
    cluster.route("r", parent)
    (found,) = cluster.routes.attachments(Owner("HTTPRoute", "shop", "r"))
    assert (found.reason, [one.port for one in found.frontends]) == (reason, ports)
    assert bool(found.message) is (reason != "Accepted")


@pytest.mark.parametrize("parent", [{"group": "example.com"}, {"kind": "Pod"}, {"group": None, "kind": None}])
def test_a_parent_of_another_kind_has_no_entry(cluster: Cluster, parent: dict[str, Any]) -> None:
    cluster.route("r", parent)
    assert cluster.reason("r") == []


@pytest.mark.parametrize(
    ("namespace", "service", "expected"),
    [
        ({}, {}, []),
        (ENROLLED, {}, ["Accepted"]),
        ({}, ENROLLED, ["Accepted"]),
        (ENROLLED, DISABLED, []),
        ({"istio.io/dataplane-mode": "ambient"}, {}, ["Accepted"]),
    ],
)
def test_only_routes_on_enrolled_services_are_this_mesh_s(
    cluster: Cluster, namespace: dict[str, str], service: dict[str, str], expected: list[str]
) -> None:
    cluster.namespace("shop", namespace)
    cluster.service("web", labels=service)
    cluster.route("r", {})
    assert cluster.reason("r") == expected


@pytest.mark.parametrize(
    ("client", "service", "expected"),
    [(ENROLLED, {}, ["Accepted"]), ({}, {}, []), (ENROLLED, DISABLED, []), ({}, ENROLLED, ["Accepted"])],
)
def test_a_consumer_route_needs_an_enrolled_service_or_client(
    cluster: Cluster, client: dict[str, str], service: dict[str, str], expected: list[str]
) -> None:
    cluster.namespace("shop", {})
    cluster.namespace("client", client)
    cluster.service("web", labels=service)
    cluster.route("r", {"namespace": "shop"}, namespace="client")
    assert cluster.reason("r", namespace="client") == expected


def test_enrolment_of_a_namespace_attaches_its_routes(cluster: Cluster) -> None:
    cluster.namespace("shop", {})
    cluster.route("r", {})
    changes = cluster.namespace("shop", ENROLLED)
    assert cluster.reason("r") == ["Accepted"]
    assert Owner("HTTPRoute", "shop", "r") in changes.owners


@pytest.mark.parametrize("last", ["HTTPRoute", "GRPCRoute"])
def test_of_two_kinds_on_a_port_the_grpc_route_is_in_force(cluster: Cluster, last: str) -> None:
    (first,) = {"HTTPRoute", "GRPCRoute"} - {last}
    cluster.route(first.lower(), {"port": 80}, kind=first)
    changes = cluster.route(last.lower(), {"port": 80}, kind=last)
    assert Owner("HTTPRoute", "shop", "httproute") in changes.owners
    assert cluster.reason("httproute") == ["Conflicted"]
    assert cluster.reason("grpcroute", "GRPCRoute") == ["Accepted"]
    gone = cluster.remove("GRPCRoute", "grpcroute")
    assert Owner("HTTPRoute", "shop", "httproute") in gone.owners
    assert cluster.reason("httproute") == ["Accepted"]


def test_of_two_kinds_on_some_ports_both_are_attached(cluster: Cluster) -> None:
    cluster.route("web", {})
    cluster.route("rpc", {"port": 80}, kind="GRPCRoute")
    (found,) = cluster.routes.attachments(Owner("HTTPRoute", "shop", "web"))
    assert (found.reason, [one.port for one in found.frontends]) == ("Accepted", [81])


def test_each_reference_has_an_entry_of_its_own(cluster: Cluster) -> None:
    parents = [on(port=80), on(port=99), {"name": "gateway"}, on("no")]
    cluster.put("HTTPRoute", "r", {"parentRefs": parents, "rules": [to("web")]})
    assert cluster.reason("r") == ["Accepted", "NoMatchingParent", "NoMatchingParent"]
