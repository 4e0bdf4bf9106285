"""The pools of which nodes get the ranges of their pods, and those of the pods of some namespaces. Pure.

A namespace chooses a pool by its label, a Node has its ranges of each pool in an annotation: podCIDRs admit no more
than one range of each family.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""The value of a label."""

DEFAULT_MASKS = {4: 24, 6: 64}
"""Prefix lengths of a node's ranges, as kube-controller-manager's --node-cidr-mask-size-ipv4 and -ipv6."""
LABEL = "podwire.dev/pod-pool"
"""Of a namespace: the pool of which its pods get their addresses."""
ANNOTATION = "podwire.dev/pod-ranges"
"""Of a Node: its ranges of the pools of namespaces, as a JSON object from pool to a list of ranges."""
LARGEST_BITS = 16
"""A pool has at most 2^16 ranges of nodes in each family, as upstream's range allocator."""


class PoolError(ValueError):
    """A pool cannot be used: names its text and what to write instead."""


class PoolRange(msgspec.Struct, frozen=True, gc=False):
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

    def is_part(self, network: IPNetwork) -> bool:
        """Whether this is a range of one node: a smaller one would win over those of other nodes."""
        return network.prefixlen == self.mask and len(self.numbers(network)) == 1

    def __str__(self) -> str:
        return f"{self.network}, /{self.mask} a node"


class PodPool(msgspec.Struct, frozen=True, gc=False):
    """One range of each family, or of one, for the nodes with all of these labels."""

    ranges: tuple[PoolRange, ...]
    labels: tuple[tuple[str, str], ...] = ()

    def serves(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is one of the pool's."""
        return all(labels.get(key) == value for key, value in self.labels)

    def __str__(self) -> str:
        nodes = ",".join(f"{key}={value}" for key, value in self.labels)
        return " and ".join(map(str, self.ranges)) + (f", for nodes with {nodes}" if nodes else "")


class NamespacePool(msgspec.Struct, frozen=True, gc=False):
    """A pool for the pods of the namespaces that have its name as their label."""

    name: str
    pool: PodPool

    def accepted(self, texts: Iterable[str]) -> tuple[tuple[IPNetwork, ...], tuple[str, ...]]:
        """Which of these are ranges of a node, at most one of each family, IPv4 first; and the texts of all others."""
        found: dict[int, IPNetwork] = {}
        others: list[str] = []
        for text in texts:
            network = _parsed(text)
            if network is None or network.version in found or not self._has(network):
                others.append(text)
            else:
                found[network.version] = network
        return tuple(found[version] for version in sorted(found)), tuple(others)

    def overlapping(self, texts: Iterable[str]) -> tuple[IPNetwork, ...]:
        """Which of these are networks with addresses of this pool."""
        networks = [network for text in texts if (network := _parsed(text)) is not None]
        return tuple(network for network in networks if any(one.numbers(network) for one in self.pool.ranges))

    def _has(self, network: IPNetwork) -> bool:
        return any(one.is_part(network) for one in self.pool.ranges)

    def __str__(self) -> str:
        return f"{self.name}: {self.pool}"


def namespace_pool(text: str) -> NamespacePool:
    """The pool of a text `NAME=RANGE[:MASK][,RANGE[:MASK]][@LABEL=VALUE,...]`. Raises PoolError."""
    name, equals, rest = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise PoolError(
            f"namespace pool {text!r}: write NAME=RANGE, such as red=10.60.0.0/16:26; the name is the value of a label"
        )
    return NamespacePool(name, pool(rest))


def namespace_pools(pools: Sequence[NamespacePool], others: Sequence[PodPool] = ()) -> None:
    """Check that each name is there once, and that no two ranges of these and of the other pools overlap.

    Raises PoolError.
    """
    names = [one.name for one in pools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PoolError(f"namespace pools: {twice} is given twice; a pool has one range of each family")
    disjoint((*others, *(one.pool for one in pools)))


def added_ranges(known: Sequence[IPNetwork], pools: Iterable[NamespacePool]) -> tuple[IPNetwork, ...]:
    """The ranges of these pools that are not inside of a known range."""
    found = (one.network for each in pools for one in each.pool.ranges)
    return tuple(network for network in found if not any(_holds(one, network) for one in known))


def ranges_by_pool(annotations: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """The ranges of a Node as its annotation has them; none where it is not readable."""
    try:
        return msgspec.json.decode(annotations.get(ANNOTATION, "{}"), type=dict[str, tuple[str, ...]])
    except msgspec.MsgspecError:
        return {}


def annotation(ranges: Mapping[str, Sequence[IPNetwork]]) -> str:
    """The annotation of a Node with these ranges."""
    return msgspec.json.encode({name: list(map(str, found)) for name, found in sorted(ranges.items())}).decode()


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


def _holds(outer: IPNetwork, network: IPNetwork) -> bool:
    return outer.version == network.version and network.subnet_of(outer)  # type: ignore[arg-type]


def _parsed(text: str) -> IPNetwork | None:
    try:
        return None if "%" in text else ipaddress.ip_network(text)
    except ValueError:
        return None


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
