"""The EgressGateways, pods, namespaces and Nodes that are known now, and which gateways a change concerns. No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping

from podwire.egress import model
from podwire.egress.model import Gateway, Source
from podwire.egress.rows import ElementRow, RouteRow, element_rows, route_rows
from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kube.addresses import usable
from podwire.kube.core import Namespace, Node
from podwire.kube.egress_gateway import EgressGateway
from podwire.kube.meta import NamespacedName

CLUSTER = ""
"""The owner of rows that belong to no gateway; a gateway's name is never empty."""

Hops = Callable[[Node, int], "tuple[IPAddress, str] | None"]
"""Returns the next hop to a node by IP version, and its link where it is a tunnel; None: there is none."""


class EgressView:
    """What the node `own` knows. An owner is a gateway's name, or CLUSTER."""

    def __init__(self, own: str, pods: Iterable[IPNetwork], services: Iterable[IPNetwork], hops: Hops) -> None:
        self.nodes: dict[str, Node] = {}
        self._own = own
        self._pod_ranges = tuple(_disjoint(pods))
        self._service_ranges = tuple(_disjoint(services))
        self._hops = hops
        self._items: dict[str, EgressGateway] = {}
        self._gateways: dict[str, Gateway] = {}
        self._sources: dict[NamespacedName, Source] = {}
        self._namespaces: dict[str, Mapping[str, str]] = {}

    @property
    def owners(self) -> tuple[str, ...]:
        """All gateways, the oldest first, and the cluster."""
        ranked = sorted(self._gateways.values(), key=lambda gateway: gateway.rank)
        return (*(gateway.name for gateway in ranked), CLUSTER)

    def gateway_changed(self, name: str, item: EgressGateway | None) -> tuple[str, ...]:
        """Take an EgressGateway, None where it is gone; return the owners that it concerns."""
        if item is None:
            self._items.pop(name, None)
        else:
            self._items[name] = item
        self._read()
        return (name, *self.owners)

    def node_changed(self, name: str, node: Node | None) -> tuple[str, ...]:
        """Take a Node, None where it is gone; return the owners that it concerns."""
        if node is None:
            self.nodes.pop(name, None)
        else:
            self.nodes[name] = node
        self._read()
        return self.owners

    def namespace_changed(self, name: str, namespace: Namespace | None) -> tuple[str, ...]:
        """Take a namespace, None where it is gone; return the owners that it concerns."""
        if namespace is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = namespace.metadata.labels
        return self.owners

    def source_changed(self, key: NamespacedName, source: Source | None) -> tuple[str, ...]:
        """Take a pod, None where it is gone or has no address; return the owners that it concerns."""
        old = self._sources.pop(key, None)
        if source is not None:
            self._sources[key] = source
        if old == source:
            return ()
        found = (self._owner(one) for one in (old, source) if one is not None)
        return tuple(gateway.name for gateway in found if gateway is not None)

    def gateway(self, name: str) -> Gateway | None:
        """The gateway of this name as it was read."""
        return self._gateways.get(name)

    def serving(self, name: str) -> str:
        """The node that serves a gateway; empty where there is none."""
        gateway = self._gateways.get(name)
        return "" if gateway is None else model.serving(gateway, self.nodes.values())

    def served(self, name: str) -> tuple[IPAddress, ...]:
        """The addresses of a gateway that this node serves."""
        gateway = self._gateways.get(name)
        return gateway.addresses if gateway is not None and self.serving(name) == self._own else ()

    def elements(self, owner: str) -> Iterator[ElementRow]:
        """The elements that belong to an owner."""
        if owner == CLUSTER:
            yield from self._cluster()
        elif (gateway := self._gateways.get(owner)) is not None:
            yield from element_rows(gateway, self.serving(owner), self._own, self._selected(gateway))

    def routes(self, owner: str) -> Iterator[RouteRow]:
        """The routes and rules that belong to an owner."""
        gateway = self._gateways.get(owner)
        if gateway is None:
            return
        node = self.serving(owner)
        inside = (*self._pod_ranges, *self._service_ranges, *map(ipaddress.ip_network, self._node_addresses()))
        yield from route_rows(
            gateway,
            node,
            self._own,
            self._selected(gateway),
            inside,
            lambda version: self._hops(self.nodes[node], version),
        )

    def _cluster(self) -> Iterator[ElementRow]:
        if not self._gateways:
            return
        yield from (ElementRow(f"ranges{network.version}", (network,)) for network in self._pod_ranges)
        yield from (ElementRow(f"services{network.version}", (network,)) for network in self._service_ranges)
        yield from (ElementRow(f"nodes{address.version}", (address,)) for address in self._node_addresses())

    def _node_addresses(self) -> frozenset[IPAddress]:
        texts = (text for node in self.nodes.values() for text in node.internal_addresses)
        return frozenset(address for address in map(usable, texts) if address is not None)

    def _read(self) -> None:
        addresses, inside = self._node_addresses(), (*self._pod_ranges, *self._service_ranges)
        found = {name: model.read(item, addresses, inside) for name, item in self._items.items()}
        self._gateways = dict(sorted(found.items(), key=lambda pair: pair[1].rank))

    def _owner(self, source: Source) -> Gateway | None:
        namespace = self._namespaces.get(source.key.namespace)
        return next((one for one in self._gateways.values() if one.selects(source, namespace)), None)

    def _selected(self, gateway: Gateway) -> list[Source]:
        return [source for source in self._sources.values() if self._owner(source) is gateway]


def _disjoint(networks: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
    found = tuple(networks)
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv4Network))
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv6Network))
