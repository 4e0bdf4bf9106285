"""Which addresses of the node's ranges are a pod's next ones. Pure: the store keeps what is decided here.

A pod gets one address of each range, all with the same place in their range: place 7 of 10.244.1.0/24 and
fd00:10:244:1::/64 is 10.244.1.7 and fd00:10:244:1::7. Places that were never given out go first, then freed ones in the
order in which they were freed: while other nodes may still take an address for its old pod, it is not given out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection
from itertools import chain

import msgspec

from podwire.kernel.elements import IPAddress, IPNetwork

FIRST_PLACE = 2
"""Place 0 is the network (in IPv6 the subnet-router anycast address), place 1 the node's own in its range."""
MOST_PLACES = 1 << 16
"""A node has far fewer pods; the bound keeps the list of freed places short where a range is a /64."""


_BETWEEN = " and "


class ExhaustedError(Exception):
    """Every address of the node is taken, or every one of a pool of namespaces."""

    def __init__(self, ranges: Ranges, pool: str = "") -> None:
        count = max(ranges.end - FIRST_PLACE, 0)
        where, remedy = "the node's range", "widen the node's podCIDR"
        if pool:
            where, remedy = f"this node's range of pod pool {pool},", "let the pods of its namespaces run on more nodes"
        super().__init__(f"all {count} addresses of {where} {ranges} are taken: remove pods or {remedy}")


class Ranges(msgspec.Struct, frozen=True):
    """The ranges of one node, one or two: at most one of each IP version, IPv4 first."""

    networks: tuple[IPNetwork, ...]

    @property
    def end(self) -> int:
        """One past the last usable place: the smallest range decides, the IPv4 broadcast address stays free."""
        sizes = (network.num_addresses - (network.version == 4) for network in self.networks)
        return min((*sizes, MOST_PLACES))

    def addresses(self, place: int) -> tuple[IPAddress, ...]:
        """The addresses at a place."""
        return tuple(network[place] for network in self.networks)

    def place(self, address: IPAddress) -> int | None:
        """Where an address is, None outside the ranges."""
        for network in self.networks:
            if address in network:
                return int(address) - int(network.network_address)
        return None

    @classmethod
    def parse(cls, text: str) -> Ranges:
        """Return the ranges that print as this text. Raises ValueError."""
        return cls(tuple(map(ipaddress.ip_network, text.split(_BETWEEN))))

    def __str__(self) -> str:
        return _BETWEEN.join(map(str, self.networks))


def choose(ranges: Ranges, fresh: int, freed: Collection[int], taken: Callable[[int], bool], pool: str = "") -> int:
    """The place that is given out next. Raises ExhaustedError.

    `fresh` was never given out in these ranges, nor any place after it; `freed` were, the oldest first. Attachments
    from ranges that the node had before may hold places anywhere (see `taken`), and leave them in `freed`.
    """
    for place in chain((place for place in range(fresh, ranges.end) if place not in freed), freed):
        if not taken(place):
            return place
    raise ExhaustedError(ranges, pool)
