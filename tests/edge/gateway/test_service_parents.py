"""Routes whose parent is a Service: they are known by it, and derived again when it or its namespace changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway import http_routes
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.kube.core import Namespace
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

WEB = NamespacedName("shop", "web")
ROUTE = Owner("HTTPRoute", "client", "web")
PARENT = {"group": "", "kind": "Service", "name": "web", "namespace": "shop"}
TYPES: dict[str, Any] = {"HTTPRoute": HTTPRoute, "Service": Service, "Namespace": Namespace}


def put(objects: Objects, kind: str, namespace: str, name: str, **given: Any) -> tuple[Owner, ...]:
    value = {"metadata": {"namespace": namespace, "name": name, "labels": given.pop("labels", {})}, **given}
    return objects.put(kind, msgspec.convert(value, TYPES[kind]))


def objects(**parent: Any) -> Objects:
    found = Objects()
    rule = {"backendRefs": [{"name": "db", "namespace": "shop", "port": 80}]}
    put(found, "HTTPRoute", "client", "web", spec={"parentRefs": [{**PARENT, **parent}], "rules": [rule]})
    return found


@pytest.mark.parametrize(
    ("group", "kind", "expected"),
    [("", "Service", True), (None, "Service", False), ("", None, False), ("core", "Service", False)],
)
def test_group_and_kind_of_a_service_are_written(group: str | None, kind: str | None, expected: bool) -> None:
    assert ParentReference("web", group, kind).is_service is expected


def test_the_routes_of_a_service_are_known_by_it() -> None:
    assert objects().routes_on(WEB) == (ROUTE,)
    assert objects(group="other.io").routes_on(WEB) == ()
    assert objects().routes_on(NamespacedName("shop", "db")) == ()


def test_a_route_is_derived_again_with_the_service_and_both_namespaces() -> None:
    found = objects()
    assert ROUTE in put(found, "Service", "shop", "web", spec={"ports": [{"port": 80}]})
    assert ROUTE not in put(found, "Service", "shop", "other", spec={"ports": [{"port": 80}]})
    assert ROUTE in put(found, "Namespace", "", "shop", labels={"a": "b"})
    assert ROUTE in put(found, "Namespace", "", "client", labels={"a": "b"})
    assert ROUTE not in put(found, "Namespace", "", "other", labels={"a": "b"})


def test_without_need_of_a_grant_a_backend_of_another_namespace_is_resolved() -> None:
    found = objects()
    put(found, "Service", "shop", "db", spec={"ports": [{"port": 80}]})
    route = found.routes[ROUTE]
    assert isinstance(route, HTTPRoute)
    assert [one.reason for one in http_routes.translated(route, found).unresolved] == ["RefNotPermitted"]
    free = http_routes.translated(route, found, needs_grants=False)
    assert not free.unresolved
    assert [one.name for one in free.clusters] == ["shop/db/80/http1"]
