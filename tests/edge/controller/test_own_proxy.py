"""Rows of Gateways that have a proxy of their own, with its options."""

from __future__ import annotations

from typing import Any

import msgspec
from envoy.config.listener.v3 import listener_pb2

from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import Translation
from podwire.edge.gateway.gateway_proxy import proxy_name
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.listeners import GatewayPort
from podwire.edge.xds.resource import CLUSTER, LISTENER, VIRTUAL_HOST, Resource
from podwire.kube.core import ConfigMap
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName

TYPES: dict[str, Any] = {**{one.kind: one.type for one in KINDS}, "ConfigMap": ConfigMap}
CLASS = "edge"
COLLECTOR = "collector/otlp/collector.tracing.svc/4317"


class Gateways:
    """Gateways with plain HTTP, and the rows of their proxies."""

    def __init__(self) -> None:
        self.objects = Objects()
        self._ports = {CLASS: ProxyPorts()}
        self._translation = Translation(self.objects, lambda name: self._ports.setdefault(name, ProxyPorts()))
        self.put("GatewayClass", CLASS, spec={"controllerName": CONTROLLER_NAME})

    def put(self, kind: str, name: str, **fields: Any) -> set[Owner]:
        """Add or replace an object, and derive what depends on it."""
        metadata = {"name": name, "namespace": "" if kind == "GatewayClass" else "shop"}
        owners = set(self.objects.put(kind, msgspec.convert({"metadata": metadata, **fields}, TYPES[kind])))
        self._translation.rows_of(owners)
        return owners

    def put_gateway(self, name: str, parameters: str = "") -> str:
        """Add or replace a Gateway, perhaps with parameters; returns the name of its proxy."""
        reference = {"parametersRef": {"group": "", "kind": "ConfigMap", "name": parameters}} if parameters else {}
        listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
        owners = self.put(
            "Gateway", name, spec={"gatewayClassName": CLASS, "listeners": listeners, "infrastructure": reference}
        )
        proxy = next(proxy_name(one) for key, one in self.objects.gateways.items() if key.name == name)
        self._ports.setdefault(proxy, ProxyPorts()).require((GatewayPort("shop", name, 80),))
        self._translation.rows_of(owners)
        return proxy

    def remove(self, kind: str, name: str) -> None:
        """Delete an object of namespace shop."""
        self._translation.rows_of(self.objects.remove(kind, NamespacedName("shop", name)))

    def retire(self, gateway: str, proxy: str) -> None:
        """End the service of a proxy that a Gateway has left."""
        key = NamespacedName("shop", gateway)
        assert self._translation.left(key) == {proxy}
        self._translation.retire(key, proxy)
        self._translation.rows_of(())
        assert not self._translation.left(key)

    def resources(self, proxy: str, type_url: str) -> dict[str, Resource]:
        return {one.name: one for one in self._translation.resources(proxy) if one.type_url == type_url}


def test_a_gateway_moves_to_a_proxy_of_its_own_and_back() -> None:
    found = Gateways()
    found.put("ConfigMap", "own", data={})
    found.put_gateway("gw")
    found.put_gateway("other")
    own = found.put_gateway("gw", "own")
    assert own != CLASS
    assert list(found.resources(own, LISTENER)) == ["shop/gw/80/TCP"]
    found.retire("gw", CLASS)
    assert list(found.resources(CLASS, LISTENER)) == ["shop/other/80/TCP"]
    assert found.put_gateway("gw") == CLASS
    found.retire("gw", own)
    assert found.resources(own, LISTENER) == {}
    assert sorted(found.resources(CLASS, LISTENER)) == ["shop/gw/80/TCP", "shop/other/80/TCP"]


def test_a_proxy_that_a_gateway_leaves_serves_it_with_its_own_options_until_it_is_retired() -> None:
    found = Gateways()
    found.put("ConfigMap", "own", data={"proxy-protocol": "true"})
    found.put_gateway("gw")
    before = found.resources(CLASS, LISTENER)
    own = found.put_gateway("gw", "own")
    assert found.resources(CLASS, LISTENER) == before
    parents, rules = [{"name": "gw"}], [{"filters": [{"type": "RequestRedirect", "requestRedirect": {}}]}]
    found.put("HTTPRoute", "app", spec={"parentRefs": parents, "hostnames": ["a.org"], "rules": rules})
    for proxy in (CLASS, own):
        assert "shop:gw:80/a.org" in found.resources(proxy, VIRTUAL_HOST)
    assert found.put_gateway("gw") == CLASS  # moves back before
    found.retire("gw", own)
    assert found.resources(CLASS, LISTENER) == before
    assert found.resources(own, VIRTUAL_HOST) == {}


def test_a_gateway_that_is_deleted_while_it_moves_has_no_rows() -> None:
    found = Gateways()
    found.put("ConfigMap", "own", data={})
    found.put_gateway("gw")
    own = found.put_gateway("gw", "own")
    found.remove("Gateway", "gw")
    assert found.resources(CLASS, LISTENER) == found.resources(own, LISTENER) == {}


def test_options_are_in_the_listeners_of_the_proxy_and_follow_the_config_map() -> None:
    found = Gateways()
    found.put("ConfigMap", "own", data={"proxy-protocol": "true"})
    own = found.put_gateway("gw", "own")

    def filters() -> list[str]:
        listener = found.resources(own, LISTENER)["shop/gw/80/TCP"]
        return [one.name for one in listener_pb2.Listener.FromString(listener.body).listener_filters]

    assert filters() == ["envoy.filters.listener.proxy_protocol"]
    assert found.resources(own, CLUSTER) == {}
    found.put("ConfigMap", "own", data={"tracing-collector": "otlp://collector.tracing.svc:4317"})
    assert filters() == []
    assert list(found.resources(own, CLUSTER)) == [COLLECTOR]
    assert found.resources(own, LISTENER)["shop/gw/80/TCP"].requires == ((CLUSTER, COLLECTOR),)


def test_of_a_gateway_whose_parameters_never_were_valid_nothing_is_served() -> None:
    found = Gateways()
    found.put("ConfigMap", "own", data={"replicas": "many"})
    own = found.put_gateway("gw", "own")
    assert found.resources(own, LISTENER) == {}
    found.put("ConfigMap", "own", data={"replicas": "2"})
    assert found.resources(own, LISTENER)


def test_parameters_of_a_class_hold_for_its_gateways_with_their_own() -> None:
    found = Gateways()
    found.put("ConfigMap", "all", data={"proxy-protocol": "true"})
    found.put("ConfigMap", "own", data={"trusted-hops": "1"})
    reference = {"group": "", "kind": "ConfigMap", "namespace": "shop", "name": "all"}
    found.put("GatewayClass", CLASS, spec={"controllerName": CONTROLLER_NAME, "parametersRef": reference})
    own = found.put_gateway("gw", "own")
    found.put_gateway("other")
    before = {proxy: found.resources(proxy, LISTENER) for proxy in (own, CLASS)}
    for proxy, name in ((own, "gw"), (CLASS, "other")):
        listener = found.resources(proxy, LISTENER)[f"shop/{name}/80/TCP"]
        assert [one.name for one in listener_pb2.Listener.FromString(listener.body).listener_filters]
    found.put("ConfigMap", "all", data={"proxy-protocol": "no"})
    assert {proxy: found.resources(proxy, LISTENER) for proxy in (own, CLASS)} == before
    bad = found.put_gateway("new", "own")
    assert found.resources(bad, LISTENER) == {}


def test_parameters_that_are_not_valid_end_nothing_that_is_served() -> None:
    found = Gateways()
    found.put_gateway("gw")
    before = found.resources(CLASS, LISTENER)
    own = found.put_gateway("gw", "own")  # which does not exist yet
    assert (found.resources(CLASS, LISTENER), found.resources(own, LISTENER)) == (before, {})
    found.put("ConfigMap", "own", data={"proxy-protocol": "true"})
    found.retire("gw", CLASS)
    served = found.resources(own, LISTENER)
    assert served
    found.put("ConfigMap", "own", data={"proxy-protocol": "perhaps"})
    assert found.resources(own, LISTENER) == served
    bad = found.put_gateway("other", "own")
    assert found.resources(bad, LISTENER) == {}  # never was
