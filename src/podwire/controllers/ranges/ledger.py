"""Which node has which ranges. No I/O.

The memory is the Nodes themselves: after a restart the ledger is filled from their podCIDRs, before any new one is
given out. A range that was released is used again last: other nodes may still have a route for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from podwire.kube.pod_pools import IPNetwork, PodPool, PoolRange, disjoint, pools_for


class RangeError(Exception):
    """A node cannot have ranges. `reason` is that of its event and condition; the text has the remedy."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class _Usage:
    """The state of one range of a pool: how many nodes hold each part, and what to give out next."""

    source: PoolRange
    held: Counter[int] = field(default_factory=Counter)
    fresh: int = 0
    freed: dict[int, None] = field(default_factory=dict)

    def next(self) -> int | None:
        """The part that is given out next; None where all are held."""
        while self.fresh < self.source.count and (self.fresh in self.held or self.fresh in self.freed):
            self.fresh += 1
        if self.fresh < self.source.count:
            return self.fresh
        return next((number for number in self.freed if number not in self.held), None)

    def hold(self, network: IPNetwork) -> bool:
        """Count one more node for each part of this range; return whether another one has a part of them."""
        numbers = self.source.numbers(network)
        self.held.update(numbers)
        return any(self.held[number] > 1 for number in numbers)

    def free(self, network: IPNetwork) -> None:
        for number in self.source.numbers(network):
            self.held[number] -= 1
            if not self.held[number]:
                del self.held[number]
                self.freed.pop(number, None)
                self.freed[number] = None


class RangeLedger:
    """The ranges of all nodes. Raises PoolError for pools that overlap."""

    def __init__(self, pools: Sequence[PodPool]) -> None:
        disjoint(pools)
        self._pools = tuple(pools)
        self._usages = {one: _Usage(one) for each in pools for one in each.ranges}
        self._nodes: dict[str, tuple[IPNetwork, ...]] = {}

    def ranges(self, node: str) -> tuple[IPNetwork, ...]:
        """The ranges of a node, IPv4 first; none for one that has none."""
        return self._nodes.get(node, ())

    def free(self) -> Mapping[str, int]:
        """How many ranges of nodes are left in each range of a pool."""
        return {str(one.network): one.count - len(usage.held) for one, usage in self._usages.items()}

    def hold(self, node: str, ranges: Iterable[IPNetwork]) -> tuple[str, ...]:
        """Record that a node has these ranges, by this program or another; return the nodes it shares them with."""
        desired = tuple(ranges)
        if self._nodes.get(node) == desired:
            return ()
        self.release(node)
        self._nodes[node] = desired
        shared = [usage.hold(network) for network in desired for usage in self._usages.values()]
        return tuple(self._overlapping(node, desired)) if any(shared) else ()

    def _overlapping(self, node: str, desired: Sequence[IPNetwork]) -> Iterator[str]:
        for other, theirs in self._nodes.items():
            pairs = ((one, mine) for one in theirs for mine in desired if one.version == mine.version)
            if other != node and any(one.overlaps(mine) for one, mine in pairs):
                yield other

    def claim(self, node: str, labels: Mapping[str, str]) -> tuple[IPNetwork, ...]:
        """Give a node ranges of its first pool with some left. Raises RangeError.

        Those that it has it keeps, unless another node has them too.
        """
        held = self._nodes.get(node, ())
        if held and not any(self._overlapping(node, held)):
            return held
        self.release(node)
        pools = pools_for(self._pools, labels)
        if not pools:
            known = "; ".join(map(str, self._pools))
            raise RangeError(
                "NoPodPool",
                f"no pool is for a node with its labels (pools: {known}): label it, or add a --pod-pool without labels",
            )
        for each in pools:
            numbers = [(one, self._usages[one].next()) for one in each.ranges]
            found = tuple(one.part(number) for one, number in numbers if number is not None)
            if len(found) == len(numbers):
                self.hold(node, found)
                return found
        raise RangeError("PodPoolExhausted", self._exhausted(pools))

    def release(self, node: str) -> bool:
        """Take back the ranges of a node; return whether it had any."""
        ranges = self._nodes.pop(node, ())
        for network in ranges:
            for usage in self._usages.values():
                usage.free(network)
        return bool(ranges)

    def _exhausted(self, pools: Sequence[PodPool]) -> str:
        full = ", ".join(str(one) for each in pools for one in each.ranges if self._usages[one].next() is None)
        return (
            f"no range of pods is left in {full}: delete Nodes that no longer exist, or add a --pod-pool and give its "
            "ranges to the agents' --pod-cidrs too"
        )
