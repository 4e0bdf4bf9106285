"""From objects to the resources of a proxy."""

from __future__ import annotations

from typing import Any

import msgspec
from envoy.config.route.v3 import route_components_pb2

from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import Translation
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.listeners import GatewayPort
from podwire.edge.xds.resource import VIRTUAL_HOST
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

PORTS = (80, 8080)
LISTENERS = [{"name": str(port), "port": port, "protocol": "HTTP"} for port in PORTS]
REDIRECT = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "b.org"}}]}


def hosts(kind: str, *rules: dict[str, Any]) -> dict[str, Any]:
    """Return the virtual hosts, by name, of a Gateway with a route of this kind for a.org."""
    objects, ports, types = Objects(), ProxyPorts(), {one.kind: one.type for one in KINDS}

    def put(kind: str, name: str, **spec: Any) -> None:
        value = {"metadata": {"name": name, "namespace": "" if kind == "GatewayClass" else "shop"}, "spec": spec}
        owners.update(objects.put(kind, msgspec.convert(value, Service if kind == "Service" else types[kind])))

    owners: set[Any] = set()
    put("GatewayClass", "edge", controllerName=CONTROLLER_NAME)
    put("Gateway", "gw", gatewayClassName="edge", listeners=LISTENERS)
    put("Service", "web", ports=[{"port": 80}])
    put(kind, "web", parentRefs=[{"name": "gw"}], hostnames=["a.org"], rules=rules)
    ports.require(GatewayPort("shop", "gw", one) for one in PORTS)
    translation = Translation(objects, lambda _: ports)
    upserts = translation.rows_of(owners).proxies["edge"].upserts
    found = [route_components_pb2.VirtualHost.FromString(one.body) for one in upserts if one.type_url == VIRTUAL_HOST]
    return {one.name: one for one in found}


def test_a_redirect_leads_to_the_port_of_its_listener() -> None:
    found = hosts("HTTPRoute", REDIRECT)
    assert found["shop:gw:8080/a.org"].routes[0].redirect.port_redirect == 8080
    assert found["shop:gw:80/a.org"].routes[0].redirect.port_redirect == 0
    assert not found["shop:gw:80/*"].routes


def test_a_host_whose_last_route_is_gone_does_not_hide_a_wildcard() -> None:
    objects, ports, types = Objects(), ProxyPorts(), {one.kind: one.type for one in KINDS}

    def put(kind: str, name: str, **spec: Any) -> tuple[Owner, ...]:
        value = {"metadata": {"name": name, "namespace": "" if kind == "GatewayClass" else "shop"}, "spec": spec}
        return objects.put(kind, msgspec.convert(value, types[kind]))

    owners = {*put("GatewayClass", "edge", controllerName=CONTROLLER_NAME)}
    owners.update(put("Gateway", "gw", gatewayClassName="edge", listeners=LISTENERS))
    owners.update(put("HTTPRoute", "any", parentRefs=[{"name": "gw"}], rules=[REDIRECT]))
    ports.require(GatewayPort("shop", "gw", one) for one in PORTS)
    translation = Translation(objects, lambda _: ports)
    translation.rows_of(owners)
    before = {one.key for one in translation.resources("edge")}
    translation.rows_of(put("HTTPRoute", "web", parentRefs=[{"name": "gw"}], hostnames=["a.org"], rules=[REDIRECT]))
    assert (VIRTUAL_HOST, "shop:gw:80/a.org") in {one.key for one in translation.resources("edge")}
    difference = translation.rows_of(objects.remove("HTTPRoute", NamespacedName("shop", "web"))).proxies["edge"]
    assert (VIRTUAL_HOST, "shop:gw:80/a.org") in difference.removals
    assert {one.key for one in translation.resources("edge")} == before


def test_a_grpc_route_is_served_over_http2() -> None:
    found = hosts(
        "GRPCRoute", {"matches": [{"method": {"service": "a.B"}}], "backendRefs": [{"name": "web", "port": 80}]}
    )
    (route,) = found["shop:gw:80/a.org"].routes
    assert route.route.cluster == "shop/web/80/h2c"


def test_of_an_http_and_a_grpc_route_with_one_hostname_the_older_is_served() -> None:
    objects, ports, types = Objects(), ProxyPorts(), {one.kind: one.type for one in KINDS}

    def put(kind: str, name: str, day: int = 1, **spec: Any) -> tuple[Owner, ...]:
        namespace = "" if kind == "GatewayClass" else "shop"
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-0{day}T00:00:00Z"}
        return objects.put(kind, msgspec.convert({"metadata": metadata, "spec": spec}, types[kind]))

    owners = {*put("GatewayClass", "edge", controllerName=CONTROLLER_NAME)}
    owners.update(put("Gateway", "gw", gatewayClassName="edge", listeners=LISTENERS))
    ports.require(GatewayPort("shop", "gw", one) for one in PORTS)
    translation = Translation(objects, lambda _: ports)
    route = {"parentRefs": [{"name": "gw"}], "hostnames": ["a.org"]}
    owners.update(put("GRPCRoute", "rpc", 2, rules=[{}], **route))
    translation.rows_of(owners)
    rpc, web = Owner("GRPCRoute", "shop", "rpc"), Owner("HTTPRoute", "shop", "web")
    state = translation.states(NamespacedName("shop", "gw"))[0]
    changed = translation.rows_of(put("HTTPRoute", "web", 1, rules=[REDIRECT], **route))
    assert {rpc, web, Owner("Gateway", "shop", "gw")} <= changed.owners
    assert [one.reason for one in translation.attachments(rpc)] == ["HostnameConflict"]
    assert translation.attached_routes(state) == 1
    (served,) = [one for one in changed.proxies["edge"].upserts if one.name == "shop:gw:80/a.org"]
    (kept,) = route_components_pb2.VirtualHost.FromString(served.body).routes
    assert kept.redirect.host_redirect == "b.org"
    translation.rows_of(objects.remove("HTTPRoute", web.key))
    assert [one.reason for one in translation.attachments(rpc)] == ["Accepted"]
    assert translation.attached_routes(state) == 1
