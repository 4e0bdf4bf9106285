"""What a Gateway's listeners and routes come to in its proxy."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.edge.gateway import port_listeners, serving
from podwire.edge.gateway.attached_listeners import Host, ListenerState
from podwire.edge.gateway.attachment import attachments
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import owner
from podwire.edge.model.listeners import GatewayPort, ProxyOptions
from podwire.edge.model.routes import RedirectTo, RouteName, StreamRoute
from podwire.edge.model.tls import ServerTls
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName

GATEWAY = NamespacedName("shop", "gw")
PLAIN, HOST = GatewayPort("shop", "gw", 80), Host(GatewayPort("shop", "gw", 8080), "", "a.org")
REDIRECT = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "b.org"}}]}


def objects(*listeners: dict[str, Any]) -> Objects:
    """Return a Gateway with these listeners, and two routes for a.org of which `older` was created first."""
    found, types = Objects(), {one.kind: one.type for one in KINDS}

    def put(kind: str, name: str, created: str = "", **spec: Any) -> None:
        namespace = "" if kind == "GatewayClass" else "shop"
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
        found.put(kind, msgspec.convert({"metadata": metadata, "spec": spec}, types[kind]))

    put("GatewayClass", "edge", controllerName=CONTROLLER_NAME)
    put("Gateway", "gw", gatewayClassName="edge", listeners=listeners)
    for name, created in (("older", "2026-01-01T00:00:00Z"), ("newer", "2026-01-02T00:00:00Z")):
        put("HTTPRoute", name, created, parentRefs=[{"name": "gw"}], hostnames=["a.org"], rules=[REDIRECT])
    return found


def states(found: Objects) -> Any:
    return listener_states(found.gateways[GATEWAY], found)


def test_the_older_route_of_a_host_is_tried_first_and_a_redirect_leads_to_the_port_of_the_listener() -> None:
    found = objects({"name": "http", "port": 8080, "protocol": "HTTP"})
    shares = []
    for name in ("newer", "older"):
        key = owner("HTTPRoute", NamespacedName("shop", name))
        route: Any = found.routes[key]
        attached = attachments(route, key, route.spec.hostnames, found, lambda _: states(found))
        assert serving.hosts_of(attached) == (HOST,)
        shares.append((route, serving.translated("HTTPRoute", route, found)))
    host = serving.virtual_host(HOST, shares)
    assert (host.table, host.domain) == ("shop:gw:8080", "a.org")
    assert [one.name.name for one in host.routes] == ["older", "newer"]
    assert all(isinstance(one.action, RedirectTo) and one.action.redirect.port == 8080 for one in host.routes)


def test_each_hostname_of_a_port_for_plain_http_has_a_host_of_its_own() -> None:
    plain = objects(*({"name": one, "hostname": one, "port": 80, "protocol": "HTTP"} for one in ("a.org", "*.b.org")))
    assert serving.bases(states(plain)) == {Host(PLAIN, "", "a.org"): False, Host(PLAIN, "", "*.b.org"): False}


def test_the_connections_of_a_host_get_the_route_of_the_oldest_object() -> None:
    found = objects()
    shares = []
    for name in ("newer", "older"):
        route = found.routes[owner("HTTPRoute", NamespacedName("shop", name))]
        shares.append((route, Translated(stream=StreamRoute(RouteName("TCPRoute", "shop", name), ()))))
    oldest = serving.stream(shares)
    assert oldest is not None
    assert oldest.name.name == "older"
    assert serving.stream(()) is None


def test_a_port_without_a_number_and_a_listener_that_is_not_usable_have_no_row() -> None:
    found = states(
        objects(
            {"name": "one", "port": 80, "protocol": "HTTP"},
            {"name": "two", "port": 81, "protocol": "HTTP"},
            {"name": "three", "port": 443, "protocol": "HTTPS"},  # it has no certificate
        )
    )
    rows = tuple(port_listeners.listener_rows(found, lambda one: {80: 10000, 443: 10001}.get(one.port)))
    assert [(one.port.port, one.proxy_port) for one in rows] == [(80, 10000)]


def secure(name: str, port: int, maximum: str = "", authorities: str = "") -> ListenerState:
    tls = ServerTls(("Secret/shop/tls",), authorities, maximum=maximum)
    return ListenerState(GATEWAY, owner("Gateway", GATEWAY), name, port, "HTTPS", mode="Terminate", tls=tls)


def test_http3_is_served_where_tls_is_new_enough_and_no_clients_certificate_is_verified() -> None:
    found = (
        secure("one", 443),
        secure("old", 1443, maximum="1.2"),
        secure("clients", 2443, authorities="ConfigMap/shop/ca"),
        secure("used", 3443),
        ListenerState(GATEWAY, owner("Gateway", GATEWAY), "udp", 3443, "UDP"),
        ListenerState(GATEWAY, owner("Gateway", GATEWAY), "plain", 80, "HTTP"),
    )
    plain, http3 = port_listeners.ports_of(found), port_listeners.ports_of(found, ProxyOptions(http3=True))
    assert [str(one) for one in http3 - plain] == ["shop/gw/443/UDP"]
    rows = tuple(port_listeners.listener_rows(found, lambda one: one.port, ProxyOptions(http3=True)))
    assert [(str(one.port), one.is_quic) for one in rows if one.announces_http3 or one.is_quic] == [
        ("shop/gw/443/TCP", False),
        ("shop/gw/443/UDP", True),
    ]
    tcp, quic = (one for one in rows if one.port.port == 443)
    assert tcp.chains == quic.chains
    unallocated = port_listeners.listener_rows(
        found, lambda one: one.port if one.protocol == "TCP" else None, ProxyOptions(http3=True)
    )
    assert not any(one.announces_http3 for one in unallocated), "a port that the Service does not have yet"
    assert not any(
        one.is_quic or one.announces_http3 for one in port_listeners.listener_rows(found, lambda one: one.port)
    )
