"""The pools of which nodes get the ranges of their pods. Pure."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_MASKS = {4: 24, 6: 64}
"""Prefix lengths of a node's ranges, as kube-controller-manager's --node-cidr-mask-size-ipv4 and -ipv6."""
LARGEST_BITS = 16
"""A pool has at most 2^16 ranges of nodes in each family, as upstream's range allocator."""


class PoolError(ValueError):
    """A pool cannot be used: names its text and what to write instead."""


@dataclass(frozen=True, slots=True)
class PoolRange:
    """A range that is divided into ranges of nodes with this prefix length."""

    network: IPNetwork
    mask: int

    @property
    def count(self) -> int:
        """How many nodes it serves."""
        return 1 << (self.mask - self.network.prefixlen)

    def part(self, number: int) -> IPNetwork:
        """The range with this number."""
        step = 1 << (self.network.max_prefixlen - self.mask)
        return type(self.network)((int(self.network.network_address) + number * step, self.mask))

    def numbers(self, network: IPNetwork) -> range:
        """The numbers of the ranges that overlap this one; none where it is elsewhere."""
        if network.version != self.network.version or not network.overlaps(self.network):
            return range(0)
        shift, base = self.network.max_prefixlen - self.mask, int(self.network.network_address)
        first = max(int(network.network_address) - base, 0) >> shift
        last = min(int(network.broadcast_address) - base, self.network.num_addresses - 1) >> shift
        return range(first, last + 1)

    def __str__(self) -> str:
        return f"{self.network}, /{self.mask} a node"


@dataclass(frozen=True, slots=True)
class PodPool:
    """One range of each family, or of one, for the nodes with all of these labels."""

    ranges: tuple[PoolRange, ...]
    labels: tuple[tuple[str, str], ...] = ()

    def serves(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is one of the pool's."""
        return all(labels.get(key) == value for key, value in self.labels)

    def __str__(self) -> str:
        nodes = ",".join(f"{key}={value}" for key, value in self.labels)
        return " and ".join(map(str, self.ranges)) + (f", for nodes with {nodes}" if nodes else "")


def pool(text: str) -> PodPool:
    """The pool of a text `RANGE[:MASK][,RANGE[:MASK]][@LABEL=VALUE,...]`. Raises PoolError."""
    ranges_text, _, labels_text = text.partition("@")
    ranges = tuple(_range(text, word) for word in ranges_text.split(","))
    if len({one.network.version for one in ranges}) != len(ranges):
        raise PoolError(f"pod pool {text!r}: one range of each family; give a second one in a pool of its own")
    labels = tuple(_label(text, word) for word in labels_text.split(",")) if labels_text else ()
    return PodPool(tuple(sorted(ranges, key=lambda one: one.network.version)), labels)


def disjoint(pools: Sequence[PodPool]) -> None:
    """Check that no two ranges of all pools overlap. Raises PoolError."""
    networks = [one.network for each in pools for one in each.ranges]
    for one, other in itertools.combinations(networks, 2):
        if one.overlaps(other):
            raise PoolError(f"pod pools: {one} and {other} overlap; use disjoint ranges")


def pools_for(pools: Sequence[PodPool], labels: Mapping[str, str]) -> tuple[PodPool, ...]:
    """The pools of a node, in order: those that its labels select; the ones without labels where none does."""
    chosen = tuple(each for each in pools if each.labels and each.serves(labels))
    return chosen or tuple(each for each in pools if not each.labels)


def _range(text: str, word: str) -> PoolRange:
    network_text, slash, length = word.strip().partition("/")
    length, colon, mask_text = length.partition(":")
    try:
        network = ipaddress.ip_network(f"{network_text}{slash}{length}")
        mask = int(mask_text) if colon else DEFAULT_MASKS[network.version]
    except ValueError as error:
        raise PoolError(
            f"pod pool {text!r}: {error}; write a range such as 10.244.0.0/16 or 10.244.0.0/16:25"
        ) from None
    if not 0 <= mask - network.prefixlen <= LARGEST_BITS or mask > network.max_prefixlen - 2:
        raise PoolError(
            f"pod pool {text!r}: a node's mask of /{mask} does not fit into {network}: it must be from "
            f"/{network.prefixlen} to /{min(network.prefixlen + LARGEST_BITS, network.max_prefixlen - 2)}"
        )
    return PoolRange(network, mask)


def _label(text: str, word: str) -> tuple[str, str]:
    key, equals, value = word.strip().partition("=")
    if not key or not equals:
        raise PoolError(f"pod pool {text!r}: {word!r} is no LABEL=VALUE")
    return key, value
