"""The lines of the answer: destinations that are reached alike, by whom, on which ports, in which family. Pure.

Both families share one axis here: classes of pods, the parts of IPv4 outside, those of IPv6.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from podwire.insight.reach.matrix import Matrix
from podwire.insight.reach.reachability import Family, Reachability
from podwire.insight.reach.selector_sets import bits, numbers


class Source(msgspec.Struct, frozen=True, order=True):
    """Who reaches a destination on exactly these ports.

    Attributes:
        ports, sources: a set each.
        family: 4 or 6 where it is so in this family only though both ends have both; else 0.
        is_certain: False where it depends on addresses that pods do not have yet.

    """

    ports: int
    sources: int
    family: int = 0
    is_certain: bool = True


class Row(msgspec.Struct, frozen=True):
    """Destinations, and all sources that reach them."""

    destinations: int
    sources: tuple[Source, ...]


_Column = tuple[frozenset[Source], int]
"""Sources, and the destinations that they reach."""


def rows(answer: Reachability) -> list[Row]:
    """Return all rows; a destination that no client reaches is in none."""
    columns = {number: _columns(family, answer) for number, family in answer.families.items()}
    everyone = {number: _moved(one.axis.everyone, one, answer) for number, one in answer.families.items()}
    if len(columns) == 1:
        joined = next(iter(columns.values()))
    else:
        joined = list(_joined(columns, everyone, (1 << len(answer.classes.found)) - 1))
    pods = (1 << len(answer.classes.found)) - 1
    found: dict[frozenset[Source], int] = {}
    for sources, destinations in joined:
        # What is outside reaches what is outside, whatever policies are: left out.
        inside = frozenset(msgspec.structs.replace(one, sources=one.sources & pods) for one in sources)
        senders = frozenset(one for one in inside if one.sources)
        for some, to in ((sources, destinations & pods), (senders, destinations & ~pods)):
            if some and to:
                found[some] = found.get(some, 0) | to
    return [Row(destinations, tuple(sorted(sources))) for sources, destinations in found.items()]


def first_outside(answer: Reachability, family: int) -> int:
    """Return the bit of the first part outside of a family."""
    before = sum(len(one.outside) for number, one in answer.families.items() if number < family)
    return len(answer.classes.found) + before


def _moved(mask: int, family: Family, answer: Reachability) -> int:
    """Return a set of a family on the shared axis."""
    pods = family.axis.pods
    return mask & (1 << pods) - 1 | mask >> pods << first_outside(answer, family.axis.family)


def _columns(family: Family, answer: Reachability) -> list[_Column]:
    """Return the columns of a family on the shared axis; that of destinations which no client reaches too."""

    def whole(matrix: Matrix) -> list[_Column]:
        columns = matrix.columns()
        found = [
            (frozenset(Source(p, _moved(s, family, answer)) for p, s in column), _moved(to, family, answer))
            for column, to in columns.items()
        ]
        reached = bits(number for _, to in found for number in numbers(to))
        return [*found, (frozenset(), _moved(family.axis.everyone, family, answer) & ~reached)]

    certain = whole(family.matrix)
    if family.possible is None:
        return certain
    return [
        (sources | frozenset(_doubtful(sources, possible)), both)
        for sources, possible, both in _shared(certain, whole(family.possible))
    ]


def _shared(
    first: Iterable[_Column], second: Sequence[_Column], within: int = -1
) -> Iterator[tuple[frozenset[Source], frozenset[Source], int]]:
    """Yield each two columns with the destinations that both have. A destination is in one column of each at most."""
    column_of = {one: index for index, (_, found) in enumerate(second) for one in numbers(found & within)}
    for sources, destinations in first:
        grouped: dict[int, list[int]] = {}
        for one in numbers(destinations & within):
            if one in column_of:
                grouped.setdefault(column_of[one], []).append(one)
        for index, found in grouped.items():
            yield sources, second[index][0], bits(found)


def _doubtful(certain: frozenset[Source], possible: frozenset[Source]) -> Iterator[Source]:
    """Yield what is possible and not certain."""
    for one in possible - certain:
        left = one.sources
        for known in certain:
            both, more = one.sources & known.sources, one.ports & ~known.ports
            left &= ~known.sources
            if both and more:
                yield Source(more, both, is_certain=False)
        if left:
            yield Source(one.ports, left, is_certain=False)


def _joined(columns: Mapping[int, list[_Column]], everyone: Mapping[int, int], inside: int) -> Iterator[_Column]:
    """Yield the columns of both families as one."""
    in_both = everyone[4] & everyone[6] & inside
    for number in (4, 6):
        for sources, destinations in columns[number]:
            yield sources, destinations & ~in_both
    for four, six, both in _shared(columns[4], columns[6], in_both):
        yield frozenset(_merged(four, six, in_both)), both


def _merged(first: frozenset[Source], second: frozenset[Source], in_both: int) -> Iterator[Source]:
    """Yield what both families have, and what is so in one of them only."""
    of_first, of_second = _by_ports(first), _by_ports(second)
    for key in of_first.keys() | of_second.keys():
        four, six = of_first.get(key, 0), of_second.get(key, 0)
        plain = four & six | (four | six) & ~in_both
        for family, sources in ((0, plain), (4, four & ~plain), (6, six & ~plain)):
            if sources:
                yield Source(key[0], sources, family, key[1])


def _by_ports(sources: frozenset[Source]) -> dict[tuple[int, bool], int]:
    found: dict[tuple[int, bool], int] = {}
    for one in sources:
        key = one.ports, one.is_certain
        found[key] = found.get(key, 0) | one.sources
    return found
