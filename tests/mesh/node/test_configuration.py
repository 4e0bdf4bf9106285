"""What of a node's Envoy is different after a change, among Services that the change does not concern."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from podwire.edge.controller.row_table import Difference
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, ROUTES, VIRTUAL_HOST
from podwire.kube.client import Client
from podwire.mesh.envoy.node_resources import Credentials
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.routed import ROUTED
from podwire.mesh.identity.certificate import TrustBundle
from podwire.mesh.node.configuration import Configuration
from podwire.mesh.node.routing import Routing
from podwire.mesh.routes.service_routes import ServiceRoutes
from podwire.pki.certificates import KeyPair
from tests.mesh.routes.objects import ENROLLED, Cluster, to

NODE = NodeWorkloads("cluster.local")
CREDENTIALS = Credentials(TrustBundle("roots"), KeyPair(b"chain", b"key"))
SERVICES = 20


class Node:
    """A node whose namespace `shop` has Services with routes."""

    def __init__(self) -> None:
        self._routing = Routing(cast("Client", SimpleNamespace(role="mesh-node")), "n1", lambda: None)
        self._configuration = Configuration(self._routing, (4,), "")
        self.cluster = Cluster()
        self.cluster.objects = self._routing.live.objects
        self.cluster.routes = cast("ServiceRoutes", SimpleNamespace(update=self._routing._take))
        self.cluster.namespace("shop", ENROLLED)
        for number in range(SERVICES):
            self.cluster.service(f"s{number}", clusterIP=f"10.0.0.{number + 1}")
            self.route(number)

    def route(self, number: int, path: str = "/") -> None:
        rule = to(f"s{number}", matches=[{"path": {"type": "PathPrefix", "value": path}}])
        self.cluster.route(f"s{number}", {"name": f"s{number}"}, rule)

    def difference(self, workloads: NodeWorkloads = NODE) -> Difference:
        self._routing.update(frozenset())
        return self._configuration.difference(workloads, CREDENTIALS)


def kinds(difference: Difference) -> list[str]:
    return sorted({one.type_url for one in difference.upserts})


def test_a_change_of_a_route_changes_its_virtual_host_alone() -> None:
    node = Node()
    assert ROUTED in {one.name for one in node.difference().upserts}
    assert node.difference() == Difference((), ())
    node.route(3, "/other")
    (changed,) = node.difference().upserts
    assert changed.type_url == VIRTUAL_HOST
    assert "s3" in changed.name


def test_a_change_of_endpoints_changes_them_alone() -> None:
    node = Node()
    node.difference()
    node.cluster.put_whole(
        "EndpointSlice",
        {
            "metadata": {"namespace": "shop", "name": "s5", "labels": {"kubernetes.io/service-name": "s5"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.244.2.5"], "conditions": {"ready": True}}],
            "ports": [{"name": "http", "port": 8080}],
        },
    )
    assert kinds(node.difference()) == [ENDPOINTS]


def test_a_service_that_loses_its_route_leaves_the_listener_and_the_others_stay() -> None:
    node = Node()
    node.difference()
    node.cluster.remove("HTTPRoute", "s7")
    found = node.difference()
    assert [(one.type_url, one.name) for one in found.upserts] == [(LISTENER, ROUTED)]
    assert ROUTES in {kind for kind, _ in found.removals}
    assert all("s7" in name for _, name in found.removals)
    assert b"s7" not in found.upserts[0].body
    assert b"s8" in found.upserts[0].body


def test_with_the_last_route_the_listener_goes() -> None:
    node = Node()
    for number in range(SERVICES):
        node.cluster.remove("HTTPRoute", f"s{number}")
    assert ROUTED not in {one.name for one in node.difference().upserts}
    node.route(1)
    assert ROUTED in {one.name for one in node.difference().upserts}
    node.cluster.remove("HTTPRoute", "s1")
    assert (LISTENER, ROUTED) in node.difference().removals


def test_other_workloads_change_no_routes() -> None:
    node = Node()
    node.difference()
    changed = node.difference(NodeWorkloads("other.example")).upserts
    assert changed
    assert ROUTED not in {one.name for one in changed}
