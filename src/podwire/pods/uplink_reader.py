"""Reading the uplink and the way to an address from the network namespace that this thread is in."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Sequence

from podwire.kernel import links, routes
from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kernel.links import LinkAddress
from podwire.kernel.netlink import Netlink
from podwire.pods.uplink import Hop, Uplink

log = logging.getLogger(__name__)

DEFAULT_MTU = 1500
_LOOPBACK = "lo"
_ELSEWHERE: tuple[IPAddress, ...] = (ipaddress.IPv4Address("192.0.2.1"), ipaddress.IPv6Address("2001:db8::1"))
"""Addresses for documentation (RFC 5737, RFC 3849): the default route leads to them."""


def find_uplink(netlink: Netlink, node_addresses: Iterable[IPAddress]) -> Uplink:
    """The uplink, found by the node's InternalIPs: the smallest mtu of the links that bear them.

    Where none does, or only the loopback link, it is that of the default routes' links, else 1500 bytes: a cloud may
    translate the InternalIPs, a routing daemon may announce one of `lo`.
    """
    desired = set(node_addresses)
    held = sorted(
        (entry for entry in links.addresses(netlink) if entry.address in desired),
        key=lambda entry: (entry.address.version, entry.address),
    )
    bearers = [links.find(netlink, index=index) for index in {entry.link for entry in held}]
    mtus = [link.mtu for link in bearers if link is not None and link.name != _LOOPBACK]
    if not held:
        log.warning("no link of this node bears one of its InternalIPs: its default route's link counts for the mtu")
    addresses = tuple(entry.address for entry in held)
    return Uplink(min(mtus or _default_mtus(netlink) or [DEFAULT_MTU]), addresses, _subnets(held))


def _subnets(held: Sequence[LinkAddress]) -> tuple[IPNetwork, ...]:
    """The subnets of the addresses, but for those of one host."""
    found = (ipaddress.ip_network((entry.address, entry.prefix_length), strict=False) for entry in held)
    return tuple(network for network in dict.fromkeys(found) if network.prefixlen < network.max_prefixlen)


def _default_mtus(netlink: Netlink) -> list[int]:
    ways = [routes.lookup(netlink, address) for address in _ELSEWHERE]
    found = [links.find(netlink, index=way.link) for way in ways if way is not None]
    return [link.mtu for link in found if link is not None and link.name != _LOOPBACK]


def router(address: IPAddress) -> Hop | None:
    """The next hop to an address, by the routes of this network namespace; None where none leads there.

    An address that a link reaches without a router is its own next hop. Raises OSError.
    """
    with Netlink() as netlink:
        way = routes.lookup(netlink, address)
    return None if way is None else Hop(way.gateway or address, way.link)
