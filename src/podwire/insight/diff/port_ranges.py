"""Ports by protocol as intervals, and their differences. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from podwire.insight.diff.report import PortsLine
from podwire.policy.intervals import Interval, union, without
from podwire.policy.model import LAST_PORT

PortRanges = Mapping[str, tuple[Interval, ...]]
"""Intervals of ports by protocol; of protocols without ports the interval of 0 alone."""
WITHOUT_PORTS: tuple[Interval, ...] = ((0, 0),)
NONE: PortRanges = {}


def joined(one: PortRanges, other: PortRanges) -> PortRanges:
    """Return the ports of both."""
    return {key: union((*one.get(key, ()), *other.get(key, ()))) for key in {**one, **other}}


def difference(one: PortRanges, other: PortRanges) -> PortRanges:
    """Return the ports of one that the other has not."""
    found = {key: tuple(_left(intervals, other.get(key, ()))) for key, intervals in one.items()}
    return {key: intervals for key, intervals in found.items() if intervals}


def _left(intervals: Iterable[Interval], holes: tuple[Interval, ...]) -> Iterator[Interval]:
    for interval in intervals:
        yield from without(interval, holes)


def lines(ports: PortRanges) -> tuple[PortsLine, ...]:
    """Return the ports for programs."""
    return tuple(
        PortsLine(key, () if found == WITHOUT_PORTS else tuple((max(first, 1), last) for first, last in found))
        for key, found in sorted(ports.items())
    )


def text(ports: PortRanges) -> str:
    """Return the ports for a reader: `TCP 80,8000-8999`; `any` for all ports of all protocols."""
    whole = {key for key, found in ports.items() if found == WITHOUT_PORTS or _is_whole(found)}
    if len(whole) == len(ports) and len(ports) > 3:
        return "any"
    return ", ".join(_text(key, found) for key, found in sorted(ports.items(), key=lambda one: (one[0] != "TCP", one)))


def _text(protocol: str, found: tuple[Interval, ...]) -> str:
    if found == WITHOUT_PORTS:
        return f"{protocol} protocols"
    if _is_whole(found):
        return protocol
    spans = (str(first) if first == last else f"{max(first, 1)}-{last}" for first, last in found)
    return f"{protocol} {','.join(spans)}"


def _is_whole(found: tuple[Interval, ...]) -> bool:
    return len(found) == 1 and found[0][0] <= 1 and found[0][1] == LAST_PORT
