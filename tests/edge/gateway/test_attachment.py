"""Which listeners a route is attached to, and the reason where it is to none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.attachment import Attachment, attachments
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import owner
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName

LISTENERS = [
    {"name": "any", "port": 80, "protocol": "HTTP"},
    {"name": "wild", "port": 80, "protocol": "HTTP", "hostname": "*.a.org"},
    {"name": "one", "port": 80, "protocol": "HTTP", "hostname": "one.a.org"},
    {
        "name": "open",
        "port": 81,
        "protocol": "HTTP",
        "hostname": "b.org",
        "allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}, {"kind": "HTTPRoute"}]},
    },
    {"name": "grpc", "port": 82, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}},
    {"name": "tcp", "port": 83, "protocol": "TCP"},
]


def attached(
    reference: dict[str, Any],
    hostnames: tuple[str, ...] = (),
    namespace: str = "shop",
    controller: str = CONTROLLER_NAME,
) -> tuple[Attachment, ...]:
    """Return the attachments of a route with this reference to a parent."""
    objects = Objects()
    class_ = {"metadata": {"name": "ours"}, "spec": {"controllerName": controller}}
    objects.put("GatewayClass", msgspec.convert(class_, GatewayClass))
    spec = {"gatewayClassName": "ours", "listeners": LISTENERS}
    gateway = msgspec.convert({"metadata": {"name": "gw", "namespace": "shop"}, "spec": spec}, Gateway)
    objects.put("Gateway", gateway)
    value = {"metadata": {"name": "web", "namespace": namespace}, "spec": {"parentRefs": [reference]}}
    route = msgspec.convert(value, HTTPRoute)
    states = listener_states(gateway, objects)
    return attachments(route, owner("HTTPRoute", route.key), hostnames, objects, lambda _: states)


@pytest.mark.parametrize(
    ("section", "hostnames", "expected"),
    [
        ("any", (), {"any": ("*",)}),
        ("any", ("c.org",), {"any": ("c.org",)}),
        ("wild", ("x.a.org", "c.org"), {"wild": ("x.a.org",)}),
        ("wild", ("*.x.a.org",), {"wild": ("*.x.a.org",)}),
        ("one", ("*.a.org",), {"one": ("one.a.org",)}),
        ("wild", ("one.a.org",), {"wild": ()}),
        ("any", ("one.a.org",), {"any": ()}),
        (None, ("one.a.org",), {"any": (), "wild": (), "one": ("one.a.org",)}),
    ],
)
def test_domains_of_a_listener(
    section: str | None, hostnames: tuple[str, ...], expected: dict[str, tuple[str, ...]]
) -> None:
    (found,) = attached({"name": "gw", "sectionName": section}, hostnames)
    assert found.reason == "Accepted"
    assert {one.state.name: one.domains for one in found.listeners} == expected


@pytest.mark.parametrize(
    ("reference", "hostnames", "namespace", "reason"),
    [
        ({"sectionName": "open"}, (), "other", "Accepted"),
        ({"port": 81}, (), "other", "Accepted"),
        ({"sectionName": "any"}, (), "other", "NotAllowedByListeners"),
        ({"sectionName": "grpc"}, (), "shop", "NotAllowedByListeners"),
        ({"sectionName": "tcp"}, (), "shop", "NotAllowedByListeners"),
        ({"sectionName": "none"}, (), "shop", "NoMatchingParent"),
        ({"port": 99}, (), "shop", "NoMatchingParent"),
        ({"sectionName": "any", "port": 81}, (), "shop", "NoMatchingParent"),
        ({"sectionName": "open"}, ("c.org",), "shop", "NoMatchingListenerHostname"),
        ({"sectionName": "wild"}, ("a.org",), "shop", "NoMatchingListenerHostname"),
    ],
)
def test_reason(reference: dict[str, Any], hostnames: tuple[str, ...], namespace: str, reason: str) -> None:
    (found,) = attached({"name": "gw", "namespace": "shop", **reference}, hostnames, namespace)
    assert found.reason == reason
    assert bool(found.listeners) is (reason == "Accepted")
    assert found.gateway == NamespacedName("shop", "gw")


@pytest.mark.parametrize(
    "reference",
    [{"name": "absent"}, {"name": "gw", "kind": "Service", "group": ""}, {"name": "gw", "kind": "ListenerSet"}],
)
def test_parent_that_is_not_ours_has_no_entry(reference: dict[str, Any]) -> None:
    assert attached(reference) == ()


def test_gateway_of_another_controller_has_no_entry() -> None:
    assert attached({"name": "gw"}, controller="example.com/other") == ()
