"""A derivation that raises for one object: it keeps what it had, others are served, and its status says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from podwire.edge.controller import gateway_part, translation
from podwire.edge.controller.derivation_faults import DerivationFaults
from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import Translation
from podwire.edge.envoy import virtual_host
from podwire.edge.gateway import port_listeners, serving
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.listeners import GatewayPort
from podwire.edge.xds.resource import VIRTUAL_HOST
from podwire.kube.gateway_api import CONTROLLER_NAME

LISTENER = {"name": "a", "port": 80, "protocol": "HTTP"}
TYPES = {one.kind: one.type for one in KINDS}
BROKEN = Owner("HTTPRoute", "shop", "broken")
GATEWAY = Owner("Gateway", "shop", "gw")
STAGES: list[tuple[Any, str, Owner]] = [
    (translation, "attachments", BROKEN),
    (serving, "translated", BROKEN),
    (serving, "virtual_host", BROKEN),
    (virtual_host, "virtual_host", BROKEN),
    (port_listeners, "listener_rows", GATEWAY),
    (gateway_part, "listener_states", GATEWAY),
]
"""Where a derivation may raise, and whose fault it is."""


class Edge:
    """A Gateway with routes that redirect."""

    def __init__(self) -> None:
        self.objects, self.ports = Objects(), ProxyPorts()
        self.translation = Translation(self.objects, lambda _: self.ports)
        self.ports.require([GatewayPort("shop", "gw", 80)])
        self.put("GatewayClass", "edge", controllerName=CONTROLLER_NAME)
        self.put("Gateway", "gw", gatewayClassName="edge", listeners=[LISTENER])
        for name in ("broken", "sound"):
            self.route(name, "before.org")

    def put(self, kind: str, name: str, **spec: Any) -> frozenset[Owner]:
        """Change an object; return the owners whose status may be different."""
        value = {"metadata": {"name": name, "namespace": "" if kind == "GatewayClass" else "shop"}, "spec": spec}
        return self.translation.rows_of(self.objects.put(kind, msgspec.convert(value, TYPES[kind]))).owners

    def route(self, name: str, target: str) -> frozenset[Owner]:
        rules = [{"filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": target}}]}]
        return self.put("HTTPRoute", name, parentRefs=[{"name": "gw"}], hostnames=[f"{name}.org"], rules=rules)

    def served(self, name: str) -> str:
        """Return where requests of a route's host are redirected to."""
        key = (VIRTUAL_HOST, f"shop:gw:80/{name}.org")
        (found,) = (one for one in self.translation.resources("edge") if one.key == key)
        return "after" if b"after.org" in found.body else "before"


def _raises_for(names: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return `call`, which raises where an argument is about the object of this name."""

    def raising(*arguments: Any, **keywords: Any) -> Any:
        if names in repr(arguments):
            raise ZeroDivisionError("by a defect")
        return call(*arguments, **keywords)

    return raising


@pytest.mark.parametrize(("module", "function", "owner"), STAGES, ids=[f"{one[0].__name__}.{one[1]}" for one in STAGES])
def test_what_raises_keeps_what_it_had_and_others_are_served(
    module: Any, function: str, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge = Edge()
    with monkeypatch.context() as patch:
        name = "" if owner == GATEWAY else "broken.org"
        patch.setattr(module, function, _raises_for(name, getattr(module, function)))
        if owner == GATEWAY:
            edge.put("Gateway", "gw", gatewayClassName="edge", listeners=[LISTENER, {**LISTENER, "hostname": "a.org"}])
        assert owner in edge.route("broken", "after.org") or owner == GATEWAY
        assert edge.translation.faults.of(owner) == "ZeroDivisionError: by a defect"
        edge.route("sound", "after.org")
        assert edge.served("sound") == "after"
        if owner == BROKEN and function != "attachments":
            assert edge.served("broken") == "before"
    edge.put("Gateway", "gw", gatewayClassName="edge", listeners=[LISTENER])
    edge.route("broken", "last.org")
    edge.route("broken", "after.org")
    assert edge.served("broken") == "after"
    assert not edge.translation.faults.of(owner)


def test_a_fault_is_reported_once_and_when_it_is_gone() -> None:
    faults = DerivationFaults()
    assert faults.attempt("share", [BROKEN], lambda: 1 // 0, 7) == 7
    assert faults.of(BROKEN).startswith("ZeroDivisionError")
    assert not faults.of(GATEWAY)
    assert faults.changed() == {BROKEN}
    assert not faults.changed()
    assert faults.attempt("share", [BROKEN], lambda: 1, 7) == 1
    assert faults.changed() == {BROKEN}
    assert not faults.of(BROKEN)
