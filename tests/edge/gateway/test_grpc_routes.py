"""Each rule of a GRPCRoute's translation, with what it permits and what it refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.grpc_routes import translated
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.choice import Request, mismatches
from podwire.edge.model.filters import Header
from podwire.edge.model.routes import Forward
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

PORTS = [
    {"port": 80},
    {"port": 81, "appProtocol": "kubernetes.io/h2c"},
    {"port": 82, "appProtocol": "kubernetes.io/ws"},
]


def route_of(*rules: dict[str, Any]) -> GRPCRoute:
    """Return a route of namespace shop with these rules."""
    value = {"metadata": {"name": "route", "namespace": "shop"}, "spec": {"rules": list(rules)}}
    return msgspec.convert(value, GRPCRoute)


def of(*rules: dict[str, Any]) -> Translated:
    """Return the translation of a route where Service shop/web exists."""
    objects = Objects()
    service = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": PORTS}}
    objects.put("Service", msgspec.convert(service, Service))
    return translated(route_of(*rules), objects)


@pytest.mark.parametrize(
    ("method", "path", "does_match"),
    [
        (None, "/a.B/Get", True),
        ({"service": "a.B", "method": "Get"}, "/a.B/Get", True),
        ({"service": "a.B", "method": "Get"}, "/a.B/GetAll", False),
        ({"service": "a.B"}, "/a.B/Get", True),
        ({"service": "a.B"}, "/a.Bc/Get", False),
        ({"method": "Get"}, "/any.Service/Get", True),
        ({"method": "Get"}, "/any.Service/Put", False),
        ({"type": "RegularExpression", "service": "a|b", "method": "G.*"}, "/b/Get", True),
        ({"type": "RegularExpression", "service": "a|b", "method": "G.*"}, "/c/Get", False),
        ({"type": "RegularExpression", "service": "a|b"}, "/a/Put", True),
    ],
)
def test_method(method: dict[str, Any] | None, path: str, does_match: bool) -> None:
    match = of({"matches": [{"method": method}]}).routes[0].match
    request = Request("a.org", path, "POST", headers=(Header("content-type", "application/grpc"),))
    assert (not list(mismatches(match, request))) == does_match


def test_requests_that_are_not_grpc_do_not_match() -> None:
    match = of({}).routes[0].match
    assert list(mismatches(match, Request("a.org", "/a.B/Get", "POST")))


def test_header_names_ignore_case() -> None:
    found = of({"matches": [{"headers": [{"name": "X-A", "value": "1"}]}]}).routes[0].match
    assert [(one.name, one.value) for one in found.headers] == [("x-a", "1")]


@pytest.mark.parametrize(("port", "reason"), [(80, ""), (81, ""), (82, "UnsupportedProtocol"), (99, "BackendNotFound")])
def test_backends_speak_http2(port: int, reason: str) -> None:
    found = of({"backendRefs": [{"name": "web", "port": port}]})
    action = found.routes[0].action
    assert isinstance(action, Forward)
    assert action.backends[0].cluster == ("" if reason else f"shop/web/{port}/h2c")
    assert [one.reason for one in found.unresolved] == ([reason] if reason else [])
    assert not action.is_websocket


def test_backends_of_rules_and_mirrors_are_watched() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy"}}}
    route = route_of({"backendRefs": [{"name": "web"}], "filters": [mirror]})
    assert [one.key("shop") for one in route.backends] == [
        NamespacedName("shop", "web"),
        NamespacedName("shop", "copy"),
    ]
