"""Whatever changes in whatever order: what was derived change by change is what is derived at once."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import Translation
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import ROUTES, Objects
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.model.listeners import GatewayPort
from podwire.edge.xds.snapshot import Snapshot
from podwire.kube.core import ConfigMap, Namespace, Secret
from podwire.kube.discovery import EndpointSlice
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.pki.certificates import Authority
from tests.thoroughness import examples

TYPES: dict[str, Any] = {
    **{one.kind: one.type for one in KINDS},
    **{one.__name__: one for one in (Service, EndpointSlice, Secret, ConfigMap, Namespace)},
}
PROXIES, PORTS = ("edge", "other"), (80, 443, 53)
AUTHORITY = Authority.create("test")
PAIR = AUTHORITY.server(("a.org",))

Change = tuple[str, str, str, dict[str, Any] | None]
"""Kind, namespace, name, and the object's fields; None: it is removed."""


Fields = dict[str, Any]


def listener(port: int, protocol: str, hostname: str = "", mode: str = "", allowed: Fields | None = None) -> Fields:
    found: Fields = {"name": f"{protocol}-{hostname}-{port}", "port": port, "protocol": protocol}
    if allowed:
        found["allowedRoutes"] = {"namespaces": allowed}
    if hostname:
        found["hostname"] = hostname
    if mode:
        found["tls"] = {"mode": mode, "certificateRefs": [{"name": "pair"}] if mode == "Terminate" else []}
    return found


ALL = {"from": "All"}
SOME = {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}
LISTENERS = (
    listener(80, "HTTP", allowed=ALL),
    listener(80, "HTTP", "*.a.org", allowed=SOME),
    listener(80, "TCP"),
    listener(443, "HTTPS", "*.a.org", "Terminate"),
    listener(443, "TLS", "*.a.org", "Passthrough", allowed=ALL),
    listener(443, "TLS", "", "Terminate"),
    listener(53, "UDP", allowed=ALL),
    listener(53, "TCP", allowed=ALL),
)
DISTINCT = ((LISTENERS[0], LISTENERS[4], LISTENERS[6]), (LISTENERS[1], LISTENERS[3], LISTENERS[5], LISTENERS[7]))
GOOD = st.sampled_from(DISTINCT).map(list)
HOSTNAMES = ("a.org", "x.a.org", "*.a.org", "*.x.a.org")
BACKENDS = (
    {"name": "web", "port": 80},
    {"name": "web", "port": 53},
    {"name": "web", "namespace": "b", "port": 80},
    {"name": "absent", "port": 80},
)
PARENTS = (
    {"name": "one", "namespace": "a"},
    {"name": "two", "namespace": "a"},
    {"name": "set", "namespace": "b", "kind": "ListenerSet"},
)


def some(values: tuple[Any, ...], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), max_size=most, unique_by=repr)


@st.composite
def gateways(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "gatewayClassName": draw(st.sampled_from(PROXIES)),
        "listeners": draw(GOOD | some(LISTENERS, 5)),
    }
    if draw(st.booleans()):
        spec["allowedListeners"] = {"namespaces": {"from": "All"}}
    if draw(st.booleans()):
        spec["tls"] = {"backend": {"clientCertificateRef": {"name": "pair"}}}
    if draw(st.booleans()):
        spec["defaultScope"] = "All"
    return {"spec": spec}


@st.composite
def routes(draw: st.DrawFn) -> dict[str, Any]:
    created = draw(st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]))
    rule = {"backendRefs": draw(some(BACKENDS))}
    spec: Fields = {"parentRefs": draw(some(PARENTS)), "hostnames": draw(some(HOSTNAMES)), "rules": [rule]}
    if draw(st.booleans()):
        spec["useDefaultGateways"] = "All"
    return {"metadata": {"creationTimestamp": created}, "spec": spec}


@st.composite
def changes(draw: st.DrawFn) -> Change:
    kind = draw(st.sampled_from(("Gateway", "Route", "Route", "Route", *OTHERS)))
    if kind == "Gateway":
        return kind, "a", draw(st.sampled_from(["one", "two"])), draw(st.none() | gateways())
    if kind == "Route":
        kind, namespace, name = draw(st.sampled_from(ROUTES)), draw(NAMESPACE), draw(st.sampled_from("xyz"))
        return kind, namespace, name, draw(st.none() | routes())
    namespaces, names, values = OTHERS[kind]
    return kind, draw(namespaces), draw(names), draw(st.none() | st.sampled_from(values))


NAMESPACE, NONE = st.sampled_from("ab"), st.just("")
WEB = {"kubernetes.io/service-name": "web"}
SECRET = {
    "type": "kubernetes.io/tls",
    "data": {
        "tls.crt": base64.b64encode(PAIR.certificate).decode(),
        "tls.key": base64.b64encode(PAIR.key).decode(),
    },
}
OTHERS: dict[str, tuple[st.SearchStrategy[str], st.SearchStrategy[str], tuple[dict[str, Any], ...]]] = {
    "GatewayClass": (NONE, st.sampled_from(PROXIES), ({"spec": {"controllerName": CONTROLLER_NAME}},)),
    "Namespace": (NONE, NAMESPACE, ({}, {"metadata": {"labels": {"team": "a"}}})),
    "Secret": (st.just("a"), st.just("pair"), (SECRET, {})),
    "ConfigMap": (NAMESPACE, st.just("ca"), ({"data": {"ca.crt": AUTHORITY.pair.certificate.decode()}}, {})),
    "ListenerSet": (
        st.just("b"),
        st.just("set"),
        tuple(
            {"spec": {"parentRef": {"name": name, "namespace": "a"}, "listeners": [listener(80, "HTTP", "s.org")]}}
            for name in ("one", "two")
        ),
    ),
    "ReferenceGrant": (
        st.just("b"),
        st.just("grant"),
        (
            {
                "spec": {
                    "from": [
                        {"group": "gateway.networking.k8s.io", "kind": kind, "namespace": "a"} for kind in ROUTES[:3]
                    ],
                    "to": [{"group": "", "kind": "Service"}],
                }
            },
        ),
    ),
    "Service": (
        NAMESPACE,
        st.just("web"),
        (
            {"spec": {"ports": [{"port": 80}, {"port": 53, "name": "dns", "protocol": "UDP"}]}},
            {"spec": {"ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}]}},
        ),
    ),
    "EndpointSlice": (
        NAMESPACE,
        st.sampled_from(["web-1", "web-2"]),
        tuple(
            {
                "metadata": {"labels": WEB},
                "addressType": "IPv4",
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
                "ports": [{"port": 8080}],
            }
            for address in ("10.0.0.1", "10.0.0.2")
        ),
    ),
    "BackendTLSPolicy": (
        NAMESPACE,
        st.just("tls"),
        (
            {
                "spec": {
                    "targetRefs": [{"group": "", "kind": "Service", "name": "web"}],
                    "validation": {
                        "hostname": "a.org",
                        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}],
                    },
                }
            },
        ),
    ),
}


class Rig:
    """One translation that follows the changes."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.ports = {name: ProxyPorts() for name in PROXIES}
        for ports in self.ports.values():
            for gateway in ("one", "two"):
                wanted = [GatewayPort("a", gateway, port, protocol) for port in PORTS for protocol in ("TCP", "UDP")]
                ports.require(wanted)
        self.translation = Translation(self.objects, self.ports.__getitem__)
        self.snapshots = {name: Snapshot() for name in PROXIES}

    def apply(self, changes: list[Change]) -> frozenset[Owner]:
        """Derive the effects of some changes; returns the owners whose status may be different."""
        dirty: set[Owner] = set()
        for kind, namespace, name, fields in changes:
            if fields is None:
                dirty.update(self.objects.remove(kind, NamespacedName(namespace, name)))
            else:
                metadata = {**fields.get("metadata", {}), "name": name, "namespace": namespace}
                value = msgspec.convert({**fields, "metadata": metadata}, TYPES[kind])
                dirty.update(self.objects.put(kind, value))
        return self._derive(dirty)

    def retire(self) -> None:
        """End the service of proxies that Gateways have left."""
        for gateway in self.objects.gateways:
            for proxy in self.translation.left(gateway):
                self.translation.retire(gateway, proxy)
        self._derive(())

    def _derive(self, dirty: Iterable[Owner]) -> frozenset[Owner]:
        found = self.translation.rows_of(dirty)
        for proxy, difference in found.proxies.items():
            self.snapshots[proxy].apply(difference.upserts, difference.removals)
        return found.owners

    def at_once(self) -> Translation:
        """Return a translation that has derived all objects at once."""
        found = Translation(self.objects, self.ports.__getitem__)
        gateways = (owner("Gateway", one) for one in self.objects.gateways)
        services = (owner("Service", one) for one in self.objects.services)
        found.rows_of((*gateways, *services, *self.objects.routes))
        return found

    def status(self, translation: Translation) -> dict[Owner, Any]:
        """Return what the status of each route and Gateway is made from."""
        status: dict[Owner, Any] = {
            route: (translation.attachments(route), translation.translated(route)) for route in self.objects.routes
        }
        for gateway in self.objects.gateways:
            states = translation.states(gateway)
            status[owner("Gateway", gateway)] = [
                (one, translation.attached_routes(one), translation.keys_of(one)) for one in states
            ]
        return status


START: list[Change] = [
    ("GatewayClass", "", "edge", {"spec": {"controllerName": CONTROLLER_NAME}}),
    ("GatewayClass", "", "other", {"spec": {"controllerName": CONTROLLER_NAME}}),
    ("Service", "a", "web", OTHERS["Service"][2][0]),
    ("Service", "b", "web", OTHERS["Service"][2][0]),
    ("Secret", "a", "pair", SECRET),
    *(
        ("Gateway", "a", name, {"spec": {"gatewayClassName": "edge", "listeners": listeners}})
        for listeners, name in zip(DISTINCT, ("one", "two"), strict=True)
    ),
    *(
        (
            kind,
            namespace,
            "x",
            {"spec": {"parentRefs": PARENTS[:2], "hostnames": HOSTNAMES[:3], "rules": [{"backendRefs": BACKENDS[:2]}]}},
        )
        for kind in ROUTES
        for namespace in "ab"
    ),
]


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.tuples(st.lists(changes(), min_size=1, max_size=3), st.booleans()), min_size=1, max_size=12))
def test_the_order_of_changes_has_no_effect(batches: list[tuple[list[Change], bool]]) -> None:
    rig = Rig()
    rig.apply(START)
    for batch, moved in (*batches, ([], True)):
        before = rig.status(rig.translation)
        owners = rig.apply(batch)
        whole = rig.at_once()
        if moved:
            rig.retire()
        for proxy in PROXIES if moved else ():
            assert {one.key: one for one in rig.snapshots[proxy]} == {one.key: one for one in whole.resources(proxy)}
        after = rig.status(rig.translation)
        assert after == rig.status(whole)
        assert {one for one in after if after[one] != before.get(one)} <= owners
