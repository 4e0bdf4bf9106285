"""Host names with addresses of Ingresses and Gateways."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.edge.controller.published_names import names
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.ingress.servers import Claim
from podwire.kube.gateway_api import CONTROLLER_NAME
from tests.edge.ingress.objects import claim, ingress, path


def served(item: Ingress, *addresses: str) -> Claim:
    body = msgspec.to_builtins(item)
    body["status"] = {"loadBalancer": {"ingress": [{"ip": one} for one in addresses]}}
    return claim(msgspec.convert(body, Ingress))


def gateway(status: str, *hostnames: str) -> Objects:
    """A Gateway with one listener, and a route whose parent has this status."""
    objects = Objects()
    objects.put(
        "GatewayClass",
        msgspec.convert({"metadata": {"name": "edge"}, "spec": {"controllerName": CONTROLLER_NAME}}, GatewayClass),
    )
    parent = {"name": "edge"}
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "hostname": "app.example.com"}
    values: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        (
            "Gateway",
            Gateway,
            {
                "spec": {"gatewayClassName": "edge", "listeners": [listener]},
                "status": {"addresses": [{"value": "192.0.2.2"}, {"type": "Hostname", "value": "a"}]},
            },
        ),
        (
            "HTTPRoute",
            HTTPRoute,
            {
                "spec": {"parentRefs": [parent], "hostnames": list(hostnames)},
                "status": {
                    "parents": [
                        {
                            "parentRef": parent,
                            "controllerName": CONTROLLER_NAME,
                            "conditions": [{"type": "Accepted", "status": status}],
                        }
                    ]
                },
            },
        ),
    )
    for kind, type_, value in values:
        objects.put(kind, msgspec.convert({"metadata": {"name": "edge", "namespace": "shop"}, **value}, type_))
    return objects


def test_names_of_ingresses_have_their_addresses() -> None:
    app = served(ingress("app", path("/"), server_alias="alias.example.com"), "192.0.2.1", "2001:db8::1")
    wild = served(ingress("wild", path("/"), host="*.example.com"), "192.0.2.1")
    waiting = claim(ingress("waiting", path("/"), host="waiting.example.com"))
    both = ("192.0.2.1", "2001:db8::1")
    assert names(Objects(), (app, wild, waiting)) == {"app.example.com": both, "alias.example.com": both}


def test_names_of_listeners_and_accepted_routes_have_the_address_of_their_gateway() -> None:
    accepted = names(gateway("True", "Route.example.com", "*.any.example.com"), ())
    assert accepted == {"app.example.com": ("192.0.2.2",), "route.example.com": ("192.0.2.2",)}
    assert names(gateway("False", "route.example.com"), ()) == {"app.example.com": ("192.0.2.2",)}


def test_a_name_of_both_is_the_ingresses_until_that_has_it_no_more() -> None:
    app = served(ingress("app", path("/"), host="APP.example.com"), "192.0.2.1")
    assert names(gateway("True"), (app,)) == {"app.example.com": ("192.0.2.1",)}
    other = served(ingress("app", path("/"), host="other.example.com"), "192.0.2.1")
    assert names(gateway("True"), (other,))["app.example.com"] == ("192.0.2.2",)
