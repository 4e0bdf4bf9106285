"""Which connections are led to Envoy, and when: of all clients, or of those with routes of their own."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import CLUSTER
from podwire.kube.client import Client
from podwire.kube.meta import NamespacedName
from podwire.mesh.envoy.routed import RoutedService
from podwire.mesh.node.frontends import Frontends, captured
from podwire.mesh.node.routing import Routing
from podwire.mesh.routes.frontends import Frontend
from podwire.mesh.routes.service_routes import ServiceRoutes
from tests.mesh.routes.objects import ENROLLED, Cluster

WEB = NamespacedName("shop", "web")
FOUR, SIX = ipaddress.ip_address("10.96.0.1"), ipaddress.ip_address("fd96::1")
CLIENTS = {
    "client": [ipaddress.ip_address("10.244.1.5"), ipaddress.ip_address("fd00::5")],
    "other": [ipaddress.ip_address("10.244.1.6")],
}
OF_ALL, OF_ONE = Frontend("shop", "web", 80), Frontend("shop", "web", 80, "client")
PRODUCER = RoutedService((FOUR, SIX), (OF_ALL, OF_ONE))
CONSUMER = RoutedService((FOUR, SIX), (OF_ONE,), "shop/web/80/tcp")


def texts(*services: RoutedService) -> set[str]:
    return set(map(str, captured(services, CLIENTS)))


def test_with_routes_of_the_service_all_clients_are_captured() -> None:
    assert texts(PRODUCER) == {"frontends4 10.96.0.1 . 80", "frontends6 fd96::1 . 80"}


def test_with_routes_of_a_namespace_its_clients_alone_are_captured() -> None:
    assert texts(CONSUMER) == {"routed4 10.244.1.5 . 10.96.0.1 . 80", "routed6 fd00::5 . fd96::1 . 80"}


def test_clients_without_a_table_pass_where_routes_are_those_of_other_namespaces() -> None:
    routing = Routing(cast("Client", SimpleNamespace(role="mesh-node")), "n1", lambda: None)
    cluster = Cluster()
    cluster.objects = routing.live.objects
    cluster.routes = cast("ServiceRoutes", SimpleNamespace(update=routing._take))
    cluster.namespace("shop", ENROLLED)
    cluster.service("web")
    cluster.route("r", {"namespace": "shop"}, namespace="client")
    routing.update(frozenset())
    (found,) = routing.services[WEB]
    assert [one.client for one in found.frontends] == ["client"]
    assert {one.name for one in routing.difference().upserts if one.type_url == CLUSTER} >= {found.cluster}
    cluster.route("own", {})
    routing.update(frozenset())
    assert not routing.services[WEB][0].cluster


class Envoy:
    """Requests to a proxy."""

    def __init__(self) -> None:
        self.behind = False

    def envoys(self) -> bool:
        return True

    def lacking(self, keys: Any) -> Any:
        return keys if self.behind else ()


def served(frontends: Frontends) -> Iterator[str]:
    return (str(row) for row in frontends._served.get(WEB, ()))


def test_what_envoy_has_not_acknowledged_adds_nothing_and_takes_nothing_else_away() -> None:
    routing = SimpleNamespace(services={WEB: (CONSUMER,)})
    frontends, envoy = Frontends(cast("Routing", routing)), Envoy()
    first = {"client": CLIENTS["client"][:1]}
    frontends.use(first)
    frontends.follow(cast("Proxy", envoy))
    assert set(served(frontends)) == {"routed4 10.244.1.5 . 10.96.0.1 . 80"}
    envoy.behind = True
    frontends.use(CLIENTS)
    frontends.follow(cast("Proxy", envoy))
    assert set(served(frontends)) == {"routed4 10.244.1.5 . 10.96.0.1 . 80"}
    frontends.use({})
    frontends.follow(cast("Proxy", envoy))
    assert set(served(frontends)) == set()
    envoy.behind = False
    frontends.use(CLIENTS)
    frontends.follow(cast("Proxy", envoy))
    assert len(set(served(frontends))) == 2
