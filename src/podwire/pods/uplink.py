"""What a pod's link takes over from the node's own network: the size of packets, the node's addresses. Pure."""

from __future__ import annotations

import msgspec

from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.pods.model import NodeNetwork


class Uplink(msgspec.Struct, frozen=True):
    """The interface by which other nodes reach this one.

    Attributes:
        mtu: the largest packet in bytes.
        addresses: the node's InternalIPs that a link of it has.
        subnets: the subnets of these addresses.

    """

    mtu: int
    addresses: tuple[IPAddress, ...] = ()
    subnets: tuple[IPNetwork, ...] = ()

    def source(self, version: int) -> IPAddress | None:
        """The node's address of one IP version."""
        return next((address for address in self.addresses if address.version == version), None)


class Hop(msgspec.Struct, frozen=True):
    """A router, and the index of the link that leads to it."""

    gateway: IPAddress
    link: int


def neighbour(peer: NodeNetwork, uplink: Uplink, version: int) -> IPAddress | None:
    """The peer's address in a subnet of this node's; None where they share none.

    Of several the one in the lowest subnet, whatever their order: the peer chooses the same subnet for its answers.
    """
    for subnet in sorted((one for one in uplink.subnets if one.version == version), key=_position):
        for address in sorted(peer.addresses_of(version), key=int):
            if address in subnet:
                return address
    return None


def _position(subnet: IPNetwork) -> tuple[int, int]:
    return int(subnet.network_address), subnet.prefixlen
