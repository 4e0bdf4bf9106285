"""Arithmetic of closed intervals of whole numbers: nftables refuses intervals that overlap, so they are cut apart."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Interval = tuple[int, int]
"""First and last, both included."""


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same numbers as few, sorted, disjoint intervals that do not touch."""
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def without(interval: Interval, holes: Iterable[Interval]) -> Iterator[Interval]:
    """What is left of the interval when the holes are cut out."""
    start, end = interval
    for first, last in union(holes):
        if last < start:
            continue
        if first > end:
            break
        if first > start:
            yield start, first - 1
        start = last + 1
    if start <= end:
        yield start, end


def intersection(left: Sequence[Interval], right: Sequence[Interval]) -> Iterator[Interval]:
    """The numbers that are in both. Each side is sorted and disjoint."""
    mine = theirs = 0
    while mine < len(left) and theirs < len(right):
        first, last = max(left[mine][0], right[theirs][0]), min(left[mine][1], right[theirs][1])
        if first <= last:
            yield first, last
        if left[mine][1] < right[theirs][1]:
            mine += 1
        else:
            theirs += 1


def disjoint(areas: Sequence[tuple[Interval, Interval]]) -> Iterator[tuple[Interval, Interval]]:
    """The same points as areas that do not overlap. An area is an interval on each of two axes.

    The second axis is cut at every border; neighbouring strips that cover the same of the first one are joined again.
    """
    borders = sorted({border for _, (first, last) in areas for border in (first, last + 1)})
    open_strip: tuple[tuple[Interval, ...], int, int] | None = None
    for start, stop in itertools.pairwise(borders):
        covered = union(area for area, (first, last) in areas if first <= start <= last)
        if open_strip and open_strip[0] == covered and open_strip[2] == start - 1:
            open_strip = (covered, open_strip[1], stop - 1)
            continue
        yield from _areas(open_strip)
        open_strip = (covered, start, stop - 1)
    yield from _areas(open_strip)


def _areas(strip: tuple[tuple[Interval, ...], int, int] | None) -> Iterator[tuple[Interval, Interval]]:
    if strip is not None:
        covered, first, last = strip
        yield from ((interval, (first, last)) for interval in covered)
