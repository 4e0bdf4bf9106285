"""Which blocks of addresses hold an address: the addresses of each family, cut at the borders of all blocks. Pure."""

from __future__ import annotations

import bisect
import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from podwire.policy.intervals import Interval, union, without
from podwire.policy.model import Block, IPAddress, IPNetwork

LAST_ADDRESS = {4: 2**32 - 1, 6: 2**128 - 1}
FAMILIES = (4, 6)


class AddressSets:
    """The blocks by number, and for each range of addresses that no block cuts the set of blocks that hold it."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.numbers = {block: number for number, block in enumerate(dict.fromkeys(blocks))}
        self._cuts = {family: _cuts(self.numbers, family) for family in FAMILIES}

    def holding(self, address: IPAddress) -> int:
        """Return the blocks that hold an address, a bit for each number."""
        starts, masks = self._cuts[address.version]
        return masks[bisect.bisect_right(starts, int(address)) - 1]

    def holding_range(self, networks: Sequence[IPNetwork], family: int) -> tuple[int, int]:
        """Return the blocks that hold every address of these networks, and those that hold some of them only."""
        every, some = -1, 0
        starts, masks = self._cuts[family]
        for network in networks:
            first, last = _span(network)
            for number in range(bisect.bisect_right(starts, first) - 1, bisect.bisect_right(starts, last)):
                every, some = every & masks[number], some | masks[number]
        return (every, some & ~every) if networks else (0, 0)

    def whole_family(self, family: int) -> tuple[int, int]:
        """Return the blocks that hold every address of the family, and those that hold some of them only."""
        every, some = -1, 0
        for mask in self._cuts[family][1]:
            every, some = every & mask, some | mask
        return every, some & ~every

    def parts(self, family: int, hidden: Sequence[IPNetwork]) -> Iterator[tuple[int, tuple[Interval, ...]]]:
        """Yield the ranges of addresses outside of the hidden networks, grouped by the blocks that hold them."""
        starts, masks = self._cuts[family]
        ends = [*(start - 1 for start in starts[1:]), LAST_ADDRESS[family]]
        holes = [_span(network) for network in hidden if network.version == family]
        grouped: dict[int, list[Interval]] = {}
        for start, end, mask in zip(starts, ends, masks, strict=True):
            grouped.setdefault(mask, []).extend(without((start, end), holes))
        for mask, intervals in grouped.items():
            if intervals:
                yield mask, union(intervals)


def _span(network: IPNetwork) -> Interval:
    return int(network.network_address), int(network.broadcast_address)


def _cuts(numbers: dict[Block, int], family: int) -> tuple[list[int], list[int]]:
    """Return the starts of ranges, sorted, and the blocks that hold each: blocks toggle their bit at each border."""
    toggles: dict[int, int] = {0: 0}
    for block, number in numbers.items():
        if block.network.version == family:
            for first, last in without(_span(block.network), map(_span, block.excepts)):
                for border in (first, last + 1):
                    toggles[border] = toggles.get(border, 0) ^ 1 << number
    toggles.pop(LAST_ADDRESS[family] + 1, None)
    starts, masks, mask = sorted(toggles), [], 0
    for start in starts:
        mask ^= toggles[start]
        masks.append(mask)
    return starts, masks


def networks_of(intervals: Iterable[Interval], family: int) -> list[IPNetwork]:
    """Return the same addresses as networks."""
    address = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    return [
        network
        for first, last in intervals
        for network in ipaddress.summarize_address_range(address(first), address(last))
    ]
