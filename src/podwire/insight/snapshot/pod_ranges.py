"""Where pods are that have no address yet: whether a block of a policy holds them may be undecidable. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from podwire.kube.addresses import parsed_network
from podwire.kube.core import Node
from podwire.kube.pod_pools import ranges_by_pool
from podwire.policy.model import Block, IPAddress, IPNetwork

DEFAULT: tuple[IPNetwork, ...] = (ipaddress.ip_network("10.244.0.0/16"), ipaddress.ip_network("fd00:10:244::/56"))
"""The ranges of a world's pods, and of kubeadm's examples."""


class PodRanges(msgspec.Struct, frozen=True):
    """The networks that pods get their addresses from. `is_assumed`: nothing names them."""

    networks: tuple[IPNetwork, ...] = DEFAULT
    is_assumed: bool = True

    def holds(self, block: Block) -> bool | None:
        """Whether the block holds a pod of the ranges: all of them, none, or None where it depends on the address.

        A pod has an address in each family that a network is of; a block is of one family.
        """
        own = [one for one in self.networks if one.version == block.network.version]
        found = {_holds(block, one) for one in own}
        return found.pop() if len(found) == 1 else (None if found else False)

    def of_address(self, address: IPAddress) -> IPNetwork | None:
        """Return the network that an address is in."""
        return next((one for one in self.networks if address in one), None)

    def __str__(self) -> str:
        return ", ".join(map(str, self.networks))


def of_nodes(nodes: Iterable[Node], given: tuple[IPNetwork, ...] = ()) -> PodRanges:
    """Return the given ranges, else those of the nodes, else the usual ones."""
    if given:
        return PodRanges(given, is_assumed=False)
    found = list(nodes)
    texts = {text for node in found for text in (*node.spec.pod_cidrs, node.spec.pod_cidr) if text}
    pools = (ranges_by_pool(node.metadata.annotations) for node in found)
    texts |= {text for one in pools for ranges in one.values() for text in ranges if parsed_network(text) is not None}
    networks = tuple(ipaddress.ip_network(one, strict=False) for one in sorted(texts))
    return PodRanges(networks, is_assumed=False) if networks else PodRanges()


def _holds(block: Block, pods: IPNetwork) -> bool | None:
    if not _overlap(block.network, pods) or any(covers(one, pods) for one in block.excepts):
        return False
    if covers(block.network, pods) and not any(_overlap(one, pods) for one in block.excepts):
        return True
    return None


def covers(one: IPNetwork, other: IPNetwork) -> bool:
    """Whether one network holds all of another."""
    return one.version == other.version and other.subnet_of(one)  # type: ignore[arg-type]


def _overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return one.version == other.version and one.overlaps(other)
