"""What a node knows of itself and of its cluster, as far as its Services depend on it. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from podwire.kube.addresses import canonical
from podwire.kube.backend_choice import Place
from podwire.kube.core import Node

PRIMARY = "primary"
"""The value of `--nodeport-addresses` that means the InternalIPs of the Node, as of kube-proxy's flag."""


class NodeView(msgspec.Struct, frozen=True):
    """One node. Ranges are texts such as 10.96.0.0/16.

    Attributes:
        name: the name of its Node.
        service_ranges: where the cluster addresses of Services come from.
        nodeport_addresses: where node ports are served: ranges, or `primary`.
        allow_external_ips: whether `spec.externalIPs` of Services has an effect (CVE-2020-8554).
        zone: its label `topology.kubernetes.io/zone`; empty without one.
        addresses: its InternalIPs.

    """

    name: str
    service_ranges: tuple[str, ...] = ()
    nodeport_addresses: tuple[str, ...] = (PRIMARY,)
    allow_external_ips: bool = False
    zone: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """What the choice of endpoints depends on."""
        return Place(self.name, self.zone)

    @property
    def nodeport_ranges(self) -> tuple[str, ...]:
        """The addresses and ranges that node ports are on, of both families, disjoint."""
        primary = self.addresses if PRIMARY in self.nodeport_addresses else ()
        return disjoint([*primary, *(one for one in self.nodeport_addresses if one != PRIMARY)])

    def is_nodeport_address(self, address: str) -> bool:
        """Whether node ports are on this address."""
        one = ipaddress.ip_address(address)
        return any(one in ipaddress.ip_network(block) for block in self.nodeport_ranges)

    def followed(self, node: Node) -> NodeView:
        """The same node as its object describes it now."""
        addresses = tuple(address for address in map(canonical, node.internal_addresses) if address)
        return msgspec.structs.replace(self, zone=node.zone, addresses=addresses)

    def has_address_in(self, ranges: tuple[str, ...]) -> bool:
        """Whether one of its addresses is in one of these ranges."""
        networks = [ipaddress.ip_network(one) for one in ranges]
        return any(ipaddress.ip_address(address) in network for address in self.addresses for network in networks)


def disjoint(ranges: Iterable[str]) -> tuple[str, ...]:
    """The same addresses in as few ranges as possible, as nft's sets of intervals admit no overlap."""
    networks = [ipaddress.ip_network(one, strict=False) for one in ranges]
    four = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(one for one in networks if isinstance(one, ipaddress.IPv6Network))
    return (*map(range_text, four), *map(range_text, six))


def range_text(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """Write a range; one of a single address as an address."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)
