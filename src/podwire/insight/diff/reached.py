"""Who reaches whom in one state, as rows that can be compared with those of another state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.insight.diff.parts import Parts
from podwire.insight.diff.port_ranges import WITHOUT_PORTS, PortRanges
from podwire.insight.reach.naming import Names
from podwire.insight.reach.parties import Parties
from podwire.insight.reach.rows import rows
from podwire.policy.intervals import Interval

End = tuple[str, str] | tuple[int, int, int]
"""Kind and name of a workload or of a part of it, or family, first and last of addresses outside."""


class Row(msgspec.Struct, frozen=True):
    """Each source reaches each destination on these ports: sorted, so that equal rows are equal."""

    sources: frozenset[End]
    destinations: frozenset[End]
    ports: tuple[tuple[str, tuple[Interval, ...]], ...]
    family: int = 0
    is_certain: bool = True

    @property
    def port_ranges(self) -> PortRanges:
        """The ports by protocol."""
        return dict(self.ports)


def reached(parties: Parties, parts: Parts) -> Iterator[Row]:
    """Yield all rows. Each pair of ends is in one row at most, of a family and certainty."""
    names = Names(parties)
    port_sets = parties.answer.rule_sets.ports
    for row in rows(parties.answer):
        destinations = frozenset(_ends(parties, names, row.destinations, parts))
        for source in row.sources:
            sources = frozenset(_ends(parties, names, source.sources, parts))
            ports = tuple((key, found or WITHOUT_PORTS) for key, found in port_sets.ranges(source.ports))
            yield Row(sources, destinations, ports, source.family, source.is_certain)


def _ends(parties: Parties, names: Names, mask: int, parts: Parts) -> Iterator[End]:
    members = parties.members(mask)
    yield from parts.ends(parties, names, mask, members)
    for family, intervals in members.outside.items():
        yield from ((family, first, last) for first, last in intervals)


def refined(found: Iterable[Row], others: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Return both with addresses outside cut at the same borders, so that each end is the same or another."""
    first, second = list(found), list(others)
    borders: dict[int, set[int]] = {4: set(), 6: set()}
    for end in {end for row in (*first, *second) for end in (*row.sources, *row.destinations) if len(end) == 3}:
        family, start, last = end
        borders[int(family)] |= {int(start), int(last) + 1}
    cuts = {family: sorted(starts) for family, starts in borders.items()}
    return [_cut(row, cuts) for row in first], [_cut(row, cuts) for row in second]


def _cut(row: Row, cuts: dict[int, list[int]]) -> Row:
    return msgspec.structs.replace(
        row,
        sources=frozenset(one for end in row.sources for one in _parts(end, cuts)),
        destinations=frozenset(one for end in row.destinations for one in _parts(end, cuts)),
    )


def _parts(end: End, cuts: dict[int, list[int]]) -> Iterator[End]:
    import bisect

    if len(end) == 2:
        yield end
        return
    family, first, last = end
    starts = cuts[family]
    for index in range(bisect.bisect_left(starts, first), bisect.bisect_right(starts, last)):
        stop = starts[index + 1] - 1 if index + 1 < len(starts) else last
        yield family, starts[index], min(stop, last)
