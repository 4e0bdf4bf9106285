"""The EgressGateways, pods, namespaces and Nodes that are known now, and which gateways a change concerns. No I/O."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from podwire.egress import model
from podwire.egress.model import Gateway, Source
from podwire.egress.rows import RouteRow, element_rows, route_rows
from podwire.kernel.element_row import ElementRow
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
        self._local: dict[NamespacedName, Source] = {}
        """Pods of this node as they were received; their addresses are those of their links."""
        self._attached: defaultdict[NamespacedName, dict[str, tuple[IPAddress, ...]]] = defaultdict(dict)
        """By the uid that the container runtime gave: two pods may have a name one after the other."""
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
        """Take a pod, None where it is gone; return the owners that it concerns."""
        if source is None or source.node != self._own:
            self._local.pop(key, None)
            return self._replace(key, source)
        self._local[key] = source
        return self._follow_links(key)

    def attached(self, key: NamespacedName, uid: str, addresses: Iterable[IPAddress]) -> tuple[str, ...]:
        """The pod has these addresses on this node; return the owners that it concerns."""
        self._attached[key][uid] = tuple(addresses)
        return self._follow_links(key)

    def detached(self, key: NamespacedName, uid: str) -> tuple[str, ...]:
        """The pod with this uid has no address of this node any more; return the owners that it concerns."""
        self._attached[key].pop(uid, None)
        if not self._attached[key]:
            del self._attached[key]
        return self._follow_links(key)

    def selecting(self, key: NamespacedName) -> str | None:
        """The gateway by which a pod leaves; None: it leaves by its own node."""
        source = self._sources.get(key)
        found = self._owner(source) if source is not None else None
        return found.name if found is not None else None

    def knows_namespace(self, name: str) -> bool:
        """Whether the labels of a namespace are known."""
        return name in self._namespaces

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

    def _follow_links(self, key: NamespacedName) -> tuple[str, ...]:
        source, links = self._local.get(key), self._attached.get(key)
        if source is None:
            return ()
        addresses = tuple(address for held in links.values() for address in held) if links is not None else ()
        return self._replace(key, msgspec.structs.replace(source, addresses=addresses) if addresses else None)

    def _replace(self, key: NamespacedName, source: Source | None) -> tuple[str, ...]:
        old = self._sources.pop(key, None)
        if source is not None:
            self._sources[key] = source
        if old == source:
            return ()
        found = (self._owner(one) for one in (old, source) if one is not None)
        return tuple(gateway.name for gateway in found if gateway is not None)

    def _owner(self, source: Source) -> Gateway | None:
        namespace = self._namespaces.get(source.key.namespace)
        return next((one for one in self._gateways.values() if one.selects(source, namespace)), None)

    def _selected(self, gateway: Gateway) -> list[Source]:
        return [source for source in self._sources.values() if self._owner(source) is gateway]


def _disjoint(networks: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
    found = tuple(networks)
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv4Network))
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv6Network))
