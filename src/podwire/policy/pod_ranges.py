"""The ranges of pods' addresses, and the addresses in them that nodes have. No I/O."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

from podwire.kube.addresses import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podwire.kube.core import Node
    from podwire.policy.model import IPAddress, IPNetwork


def _no_address(_: Node) -> Iterable[IPAddress]:
    return ()


class PodRanges:
    """Which addresses can only be a pod's: one of them that no known pod has is of a pod that is not known yet.

    `tunnel` returns the addresses that a node has beside those of its status. Without ranges no address is a pod's.
    """

    def __init__(
        self, ranges: Iterable[IPNetwork] = (), tunnel: Callable[[Node], Iterable[IPAddress]] = _no_address
    ) -> None:
        self.networks = tuple(_disjoint(ranges))
        self._tunnel = tunnel
        self._of_nodes: dict[str, frozenset[IPAddress]] = {}
        self._nodes: Counter[IPAddress] = Counter()

    def is_pods(self, address: IPAddress) -> bool:
        """Whether only a pod can have the address."""
        return self._holds(address) and not self.is_nodes(address)

    def is_nodes(self, address: IPAddress) -> bool:
        """Whether the address is in a range of pods, and a node's."""
        return self._nodes[address] > 0

    def node_changed(self, name: str, node: Node | None) -> set[IPAddress]:
        """A node came, or went (None), or has other addresses; return those in ranges of pods that came or went."""
        before = self._of_nodes.pop(name, frozenset())
        after = frozenset(filter(self._holds, self._addresses(node))) if node is not None else frozenset()
        if after:
            self._of_nodes[name] = after
        self._nodes.subtract(before)
        self._nodes.update(after)
        changed = before ^ after
        for address in changed:
            if not self._nodes[address]:
                del self._nodes[address]
        return set(changed)

    def _addresses(self, node: Node) -> Iterator[IPAddress]:
        yield from self._tunnel(node)
        yield from (found for entry in node.status.addresses if (found := parsed(entry.address)) is not None)

    def _holds(self, address: IPAddress) -> bool:
        return any(address in network for network in self.networks)


def _disjoint(networks: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
    found = tuple(networks)
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv4Network))
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv6Network))
