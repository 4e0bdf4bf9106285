"""Routes that use default Gateways are attached to each of them as if they referred to it (GEP-3793)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.attachment import attachments
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName

TYPES: dict[str, Any] = {"GatewayClass": GatewayClass, "Gateway": Gateway, "HTTPRoute": HTTPRoute}
LISTENER = {"name": "http", "port": 80, "protocol": "HTTP"}
OPEN = {**LISTENER, "allowedRoutes": {"namespaces": {"from": "All"}}}
ROUTE = Owner("HTTPRoute", "shop", "web")


def put(objects: Objects, kind: str, name: str, namespace: str = "shop", **spec: Any) -> tuple[Owner, ...]:
    return objects.put(
        kind, msgspec.convert({"metadata": {"name": name, "namespace": namespace}, "spec": spec}, TYPES[kind])
    )


def world(*parents: str, use: str | None = "All") -> Objects:
    """Return a route of shop beside default Gateways `a`, `closed` and `foreign`, and `b`, which is none."""
    objects = Objects()
    put(objects, "GatewayClass", "ours", "", controllerName=CONTROLLER_NAME)
    put(objects, "GatewayClass", "theirs", "", controllerName="example.com/other")
    put(objects, "Gateway", "a", "edge", gatewayClassName="ours", listeners=[OPEN], defaultScope="All")
    put(objects, "Gateway", "b", "edge", gatewayClassName="ours", listeners=[OPEN], defaultScope="None")
    put(objects, "Gateway", "closed", "edge", gatewayClassName="ours", listeners=[LISTENER], defaultScope="All")
    put(objects, "Gateway", "foreign", "edge", gatewayClassName="theirs", listeners=[OPEN], defaultScope="All")
    references = [{"name": one, "namespace": "edge"} for one in parents]
    put(objects, "HTTPRoute", "web", parentRefs=references, **({"useDefaultGateways": use} if use else {}))
    return objects


def reasons(objects: Objects) -> list[tuple[str, str]]:
    found = attachments(
        objects.routes[ROUTE], ROUTE, (), objects, lambda key: listener_states(objects.gateways[key], objects)
    )
    assert all(
        (one.reference.namespace, one.reference.name) == (one.gateway.namespace, one.gateway.name) for one in found
    )
    return [(one.gateway.name, one.reason) for one in found]


@pytest.mark.parametrize(
    ("parents", "use", "expected"),
    [
        ((), "All", [("a", "Accepted"), ("closed", "NotAllowedByListeners")]),
        (("b",), "All", [("b", "Accepted"), ("a", "Accepted"), ("closed", "NotAllowedByListeners")]),
        (("a",), "All", [("a", "Accepted"), ("closed", "NotAllowedByListeners")]),
        (("b",), "None", [("b", "Accepted")]),
        ((), None, []),
    ],
)
def test_a_route_has_the_default_gateways_of_its_scope(
    parents: tuple[str, ...], use: str | None, expected: list[tuple[str, str]]
) -> None:
    assert reasons(world(*parents, use=use)) == expected


def test_a_gateway_that_becomes_default_or_is_none_any_more_concerns_those_routes() -> None:
    objects = world()
    assert ROUTE in put(objects, "Gateway", "b", "edge", gatewayClassName="ours", listeners=[OPEN], defaultScope="All")
    assert ("b", "Accepted") in reasons(objects)
    assert ROUTE in put(objects, "Gateway", "b", "edge", gatewayClassName="ours", listeners=[OPEN])
    assert ("b", "Accepted") not in reasons(objects)
    assert ROUTE in objects.remove("Gateway", NamespacedName("edge", "a"))
    assert reasons(objects) == [("closed", "NotAllowedByListeners")]


def test_other_routes_are_not_derived_again() -> None:
    objects = world(use="None")
    assert ROUTE not in put(objects, "Gateway", "a", "edge", gatewayClassName="ours", listeners=[OPEN])
    assert objects.routes_of("Gateway", NamespacedName("edge", "closed")) == ()
