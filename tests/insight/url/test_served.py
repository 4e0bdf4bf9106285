"""A Gateway as its proxy has it."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.insight.url.served import served
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName


def test_of_an_http_and_a_grpc_route_with_one_hostname_the_older_is_served() -> None:
    objects, types = Objects(), {one.kind: one.type for one in KINDS}

    def put(kind: str, name: str, day: int = 1, **spec: Any) -> None:
        namespace = "" if kind == "GatewayClass" else "shop"
        metadata = {"name": name, "namespace": namespace, "creationTimestamp": f"2026-01-0{day}T00:00:00Z"}
        objects.put(kind, msgspec.convert({"metadata": metadata, "spec": spec}, types[kind]))

    put("GatewayClass", "edge", controllerName=CONTROLLER_NAME)
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    put("Gateway", "gw", gatewayClassName="edge", listeners=listeners)
    route = {"parentRefs": [{"name": "gw"}], "hostnames": ["a.org"], "rules": [{}]}
    put("HTTPRoute", "web", 1, **route)
    put("GRPCRoute", "rpc", 2, **route)
    put("GRPCRoute", "other", 2, **{**route, "hostnames": ["b.org"]})
    found = served(objects.gateways[NamespacedName("shop", "gw")], objects)
    reasons = {owner.name: [one.reason for one in attached] for owner, attached in found.attached.items()}
    assert reasons == {"web": ["Accepted"], "rpc": ["HostnameConflict"], "other": ["Accepted"]}
    (host,) = [one for one in found.hosts.values() if one.domain == "a.org"]
    assert {one.name.kind for one in host.routes} == {"HTTPRoute"}
    assert set(found.rules) == {
        Owner("HTTPRoute", "shop", "web"),
        *(Owner("GRPCRoute", "shop", one) for one in ("rpc", "other")),
    }
