"""Which objects are to blame for what an Envoy refuses."""

from __future__ import annotations

from collections.abc import Iterable

from podwire.edge.controller.derivation_faults import DerivationFaults
from podwire.edge.controller.refusals import Refusals
from podwire.edge.controller.row_table import RowTable
from podwire.edge.envoy.rows import Row
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.backends import Cluster, Endpoints, ServicePort, Transport
from podwire.edge.model.listeners import FilterChain, GatewayPort, Listener, StreamChain
from podwire.edge.model.matches import Match, PathMatch, PathType
from podwire.edge.model.routes import Answer, Route, RouteName, StreamRoute, VirtualHost
from podwire.edge.xds.proxy import Report
from podwire.edge.xds.resource import CLUSTER, LISTENER, VIRTUAL_HOST, Key

HOST: Key = (VIRTUAL_HOST, "t/a.org")
GATEWAY = Owner("Gateway", "shop", "gw")


class Envoys:
    """A proxy whose Envoys refuse some resources."""

    def __init__(self) -> None:
        self.reasons: dict[Key, str] = {}

    def refusal(self, key: Key) -> str:
        return self.reasons.get(key, "")

    def lacking(self, keys: Iterable[Key]) -> frozenset[str]:
        return frozenset({"envoy"} if self.reasons.keys() & set(keys) else ())


class Rig:
    """Rows of a proxy, and what was recorded."""

    def __init__(self) -> None:
        self.table = RowTable(lambda port: Endpoints(port, ()), DerivationFaults())
        self.envoys = Envoys()
        self.events: list[tuple[Owner, str]] = []
        self.refusals = Refusals(lambda one, reason: self.events.append((one, reason)))

    def apply(self, source: object, row: Row, key: Key, reason: str = "") -> frozenset[Owner]:
        """Change a row, which Envoys refuse for a reason; returns whose status is different."""
        self.table.replace(source, [row])
        self.table.difference()
        self.envoys.reasons = {key: reason} if reason else {}
        return self.refusals.take(Report("edge", frozenset((key,))), self.envoys, self.table)


def owner(name: str, kind: str = "HTTPRoute") -> Owner:
    return Owner(kind, "shop", name)


def host(**paths: str) -> VirtualHost:
    """Return a host with a route of each name."""
    routes = (
        Route(RouteName("HTTPRoute", "shop", name), Match(PathMatch(PathType.EXACT, path)), Answer(200))
        for name, path in paths.items()
    )
    return VirtualHost("t", "a.org", tuple(routes))


def test_the_route_that_has_changed_since_the_last_good_host_is_to_blame() -> None:
    rig = Rig()
    assert rig.apply("h", host(one="/1", two="/2"), HOST) == frozenset()
    assert rig.apply("h", host(one="/1", two="/bad"), HOST, "no such path") == {owner("two")}
    assert (rig.refusals.of(owner("two")), rig.refusals.of(owner("one"))) == ("no such path", "")
    assert rig.events == [(owner("two"), "no such path")]


def test_two_routes_that_have_changed_since_the_last_good_host_are_both_to_blame() -> None:
    rig = Rig()
    rig.apply("h", host(one="/1", two="/2"), HOST)
    rig.apply("h", host(one="/1", two="/bad"), HOST, "bad")
    assert rig.apply("h", host(one="/3", two="/bad"), HOST, "bad") == {owner("one"), owner("two")}
    assert rig.apply("h", host(one="/3", two="/4"), HOST) == {owner("one"), owner("two")}
    assert rig.refusals.of(owner("two")) == ""
    assert rig.apply("h", host(one="/bad", two="/4"), HOST, "bad") == {owner("one")}


def test_a_host_without_a_good_state_is_the_fault_of_all_its_routes() -> None:
    rig = Rig()
    assert rig.apply("h", host(one="/1", two="/2"), HOST, "bad") == {owner("one"), owner("two")}
    rig.table.replace("h", ())
    rig.table.difference()
    rig.envoys.reasons = {}
    rig.refusals.take(Report("edge", frozenset((HOST,))), rig.envoys, rig.table)
    assert rig.refusals.of(owner("one")) == ""


def test_a_cluster_is_of_its_routes_and_a_listener_of_its_gateway_or_stream() -> None:
    rig = Rig()
    cluster = Cluster(ServicePort("shop", "web", 80), Transport.HTTP1)
    key = (CLUSTER, cluster.name)
    assert rig.apply((owner("one"), GATEWAY.key), cluster, key, "bad") == {owner("one")}
    port = GatewayPort("shop", "gw", 53)
    stream = StreamRoute(RouteName("TCPRoute", "shop", "dns"), ())
    plain, routed = (Listener(port, 10000, (FilterChain("tcp", StreamChain(route)),)) for route in (None, stream))
    key = (LISTENER, str(port))
    assert rig.apply((GATEWAY.key, 53), plain, key, "bad") == {GATEWAY}
    assert rig.apply((GATEWAY.key, 53), routed, key, "bad") == {GATEWAY, owner("dns", "TCPRoute")}


def test_a_removed_row_is_not_remembered() -> None:
    rig = Rig()
    rig.apply("t", host(one="/a"), HOST)
    assert rig.table.acknowledged_row(HOST) is not None
    rig.table.replace("t", ())
    assert rig.table.difference().removals == (HOST,)
    assert rig.table.acknowledged_row(HOST) is None
