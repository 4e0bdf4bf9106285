"""What a pod's link takes over from the node's own network: the size of packets and the node's addresses."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from podwire.kernel import links
from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import Netlink

log = logging.getLogger(__name__)

DEFAULT_MTU = 1500


class Uplink(msgspec.Struct, frozen=True):
    """The interface by which other nodes reach this one: its mtu in bytes, and the node's addresses that it has."""

    mtu: int
    addresses: tuple[IPAddress, ...] = ()

    def source(self, version: int) -> IPAddress | None:
        """The node's address of one IP version."""
        return next((address for address in self.addresses if address.version == version), None)


def find_uplink(netlink: Netlink, node_addresses: Iterable[IPAddress]) -> Uplink:
    """The uplink, found by the node's InternalIPs: the smallest mtu of the links that bear them.

    Where no link bears one (a cloud may translate them) it is taken to be 1500 bytes, without addresses.
    """
    wanted = set(node_addresses)
    held = [entry for entry in links.addresses(netlink) if entry.address in wanted]
    bearers = [links.find(netlink, index=index) for index in {entry.link for entry in held}]
    mtus = [link.mtu for link in bearers if link is not None]
    if not mtus:
        log.warning("no link of this node bears one of its InternalIPs: pods get an mtu of %d", DEFAULT_MTU)
        return Uplink(DEFAULT_MTU)
    return Uplink(min(mtus), tuple(sorted((entry.address for entry in held), key=lambda a: (a.version, a))))
