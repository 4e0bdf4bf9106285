"""Rows that allow what an old and a new one both allow: what the kernel holds between the halves of a change. Pure."""

from __future__ import annotations

import ipaddress
import itertools
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from podwire.policy.decisions import ACCEPT, DENY, ELSE_ACCEPT, ELSE_DENY, UNDECIDED, Decision, PortSpan
from podwire.policy.intervals import intersection
from podwire.policy.model import LAST_PORT
from podwire.policy.rows import BlocksRow, RangesRow, Span
from podwire.policy.tier_rows import TierBlocksRow, TierSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from podwire.policy.intervals import Interval
    from podwire.policy.model import IPAddress

_NARROWEST_FIRST = (DENY, ELSE_DENY, ELSE_ACCEPT, ACCEPT)
"""Whatever NetworkPolicies allow, each of these allows no more than the next one."""


def ranges_in_both(old: RangesRow, new: RangesRow) -> RangesRow | None:
    """Return the row of the ports that both rows allow; None where there are none."""
    ports = tuple(intersection(old.ports, new.ports))
    return replace(new, ports=ports) if ports else None


def blocks_in_both(old: BlocksRow, new: BlocksRow) -> BlocksRow | None:
    """Return the row of the addresses and ports that both rows allow; None where there are none."""
    address = ipaddress.IPv4Address if new.version == 4 else ipaddress.IPv6Address
    theirs = _strips(new.spans)
    spans = [
        Span(address(first), address(last), protocol, both)
        for (protocol, ports), mine in _strips(old.spans).items()
        for (other, other_ports), others in theirs.items()
        if protocol == other
        for both in intersection((ports,), (other_ports,))
        for first, last in intersection(mine, others)
    ]
    return replace(new, spans=tuple(sorted(spans))) if spans else None


def _strips(spans: Iterable[Span]) -> dict[tuple[str, Interval], list[Interval]]:
    """The addresses of each protocol and range of ports, which are disjoint."""
    found: defaultdict[tuple[str, Interval], list[Interval]] = defaultdict(list)
    for span in sorted(spans):
        found[span.protocol, span.ports].append((int(span.first), int(span.last)))
    return found


@lru_cache(maxsize=64)  # subjects of one policy have the same decisions
def narrower(left: Decision, right: Decision) -> Decision:
    """Return the decision that allows, for each protocol and port, what both decisions allow."""
    if left == right:
        return left
    base = _narrower(left.base, right.base)
    protocols = sorted({span.protocol for span in (*left.spans, *right.spans)})
    return Decision(base, tuple(span for each in protocols for span in _port_spans(each, left, right, base)))


def blocks_of_both(row: TierBlocksRow, old: Sequence[TierSpan], new: Sequence[TierSpan]) -> TierBlocksRow | None:
    """Return the row with the narrower decision for each address; an address without a decision is undecided."""
    address: Callable[[int], IPAddress] = ipaddress.IPv4Address if row.version == 4 else ipaddress.IPv6Address
    spans = [
        TierSpan(address(first), address(last), decision)
        for first, last, left, right in _segments(old, new)
        if (decision := narrower(left, right)) != UNDECIDED
    ]
    return replace(row, spans=tuple(spans)) if spans else None


def _segments(old: Sequence[TierSpan], new: Sequence[TierSpan]) -> Iterator[tuple[int, int, Decision, Decision]]:
    """Neighbouring ranges of addresses with the decisions of both sides."""
    sides = ([(int(span.first), int(span.last), span.decision) for span in sorted(each)] for each in (old, new))
    left, right = sides
    borders = sorted({border for first, last, _ in (*left, *right) for border in (first, last + 1)})
    places = [0, 0]
    for start, after in itertools.pairwise(borders):
        found = []
        for number, side in enumerate((left, right)):
            while places[number] < len(side) and side[places[number]][1] < start:
                places[number] += 1
            here = side[places[number]] if places[number] < len(side) else None
            found.append(here[2] if here is not None and here[0] <= start else UNDECIDED)
        yield start, after - 1, found[0], found[1]


def _port_spans(protocol: str, left: Decision, right: Decision, base: int) -> Iterator[PortSpan]:
    """The ranges of ports of a protocol with another value than the base, joined where neighbours have the same."""
    mine = [span for span in (*left.spans, *right.spans) if span.protocol == protocol]
    borders = sorted({0, LAST_PORT + 1} | {border for span in mine for border in (span.first, span.last + 1)})
    values = [_narrower(left.value(protocol, port), right.value(protocol, port)) for port in borders[:-1]]
    for value, run in itertools.groupby(
        zip(values, itertools.pairwise(borders), strict=True), key=lambda pair: pair[0]
    ):
        ranges = [each for _, each in run]
        if value != base:
            yield PortSpan(protocol, ranges[0][0], ranges[-1][1] - 1, value)


def _narrower(left: int, right: int) -> int:
    return min(left, right, key=_NARROWEST_FIRST.index)
