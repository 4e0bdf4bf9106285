"""The connections that policies allow in one of two states only, grouped as a reader wants them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.insight.diff import port_ranges
from podwire.insight.diff.parts import Parts
from podwire.insight.diff.port_ranges import NONE, PortRanges
from podwire.insight.diff.reached import End, Row, reached, refined
from podwire.insight.diff.report import ConnectionLine, Effect
from podwire.insight.reach.parties import Parties, outside_text
from podwire.insight.snapshot.planned import keys_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.policy.intervals import Interval, union

MOST_PAIRS = 4_000_000
"""Pairs of ends in rows that are not the same in both states."""


class TooManyPairsError(Exception):
    """The states differ in too many pairs of workloads."""


class State(msgspec.Struct):
    """What one pair of ends has in one state and family: ports that are certainly allowed, and those that may be."""

    certain: PortRanges = NONE
    possible: PortRanges = NONE


Pair = tuple[End, End]
States = Mapping[int, Mapping[Pair, State]]
_Ports = tuple[tuple[str, tuple[Interval, ...]], ...]
_Kind = tuple[Effect, bool, _Ports, int]
"""What has happened to a pair: the effect, whether it is certain, ports, family."""


def differences(old: Snapshot, new: Snapshot) -> tuple[ConnectionLine, ...]:
    """Return what is opened and closed. Raises TooManyPairsError."""
    families = {family for one in (old, new) for family in Parties(one).answer.families}
    parties = [Parties(one, families) for one in (old, new)]
    parts = Parts(parties, keys_of(old) | keys_of(new))
    before, after = (set(reached(one, parts)) for one in parties)
    single: frozenset[End] = frozenset((one.kind, str(one)) for each in parties for one in each.all if one.pods == 1)
    # A pair of ends is in one row only: a row that both states have changes nothing.
    left, right = refined(before - after, after - before)
    if sum(len(one.sources) * len(one.destinations) for one in (*left, *right)) > MOST_PAIRS:
        raise TooManyPairsError(f"more than {MOST_PAIRS:,} pairs of workloads differ: compare one namespace at a time")
    pairs: defaultdict[_Kind, defaultdict[End, set[End]]] = defaultdict(lambda: defaultdict(set))
    for kind, (source, destination) in _changed(_states(left, families, single), _states(right, families, single)):
        pairs[kind][destination].add(source)
    whole = [union(parts) for one in parties for parts in one.whole_outside().values()]
    found = [line for kind, by in pairs.items() for line in _lines(kind, by, whole, parts)]
    return tuple(sorted(found, key=lambda one: (one.effect is Effect.CLOSED, one.destinations, one.ports, one.sources)))


def _states(found: Iterable[Row], families: Iterable[int], single: frozenset[End]) -> States:
    states: dict[int, dict[Pair, State]] = {one: {} for one in families}
    for row in found:
        for family, pair in _pairs(row, states, single):
            state = states[family].setdefault(pair, State())
            state.possible = port_ranges.joined(state.possible, row.port_ranges)
            if row.is_certain:
                state.certain = port_ranges.joined(state.certain, row.port_ranges)
    return states


def _pairs(row: Row, families: Iterable[int], single: frozenset[End]) -> Iterator[tuple[int, Pair]]:
    """Yield the pairs of a row with each family in which it holds: that of an address outside is its own.

    A workload of a single pod and itself are no pair: a pod always reaches itself.
    """
    for source in row.sources:
        for destination in row.destinations:
            own = {int(end[0]) for end in (source, destination) if len(end) == 3}
            for family in families:
                if row.family in (0, family) and own <= {family} and not (source == destination and source in single):
                    yield family, (source, destination)


def _changed(old: States, new: States) -> Iterator[tuple[_Kind, Pair]]:
    """Yield what has happened to each pair, for both families together where it is the same."""
    found: defaultdict[Pair, defaultdict[tuple[Effect, bool, _Ports], set[int]]]
    found = defaultdict(lambda: defaultdict(set))
    for family in old:
        for pair in {**old[family], **new[family]}:
            for effect, is_certain, ports in _effects(old[family].get(pair, State()), new[family].get(pair, State())):
                found[pair][effect, is_certain, tuple(sorted(ports.items()))].add(family)
    for pair, kinds in found.items():
        outside = any(len(end) == 3 for end in pair)
        for (effect, is_certain, sorted_ports), families in kinds.items():
            family = 0 if outside or len(families) == len(old) else min(families)
            yield (effect, is_certain, sorted_ports, family), pair


def _effects(old: State, new: State) -> Iterator[tuple[Effect, bool, PortRanges]]:
    """Yield what is opened and closed; not certain where one of the states is not."""
    for effect, less, more in ((Effect.OPENED, old, new), (Effect.CLOSED, new, old)):
        certain = port_ranges.difference(more.certain, less.possible)
        if certain:
            yield effect, True, certain
        grown = port_ranges.joined(
            port_ranges.difference(more.certain, less.certain), port_ranges.difference(more.possible, less.possible)
        )
        doubtful = port_ranges.difference(grown, certain)
        if doubtful:
            yield effect, False, doubtful


def _lines(
    kind: _Kind, by: Mapping[End, set[End]], whole: list[tuple[Interval, ...]], parts: Parts
) -> Iterator[ConnectionLine]:
    effect, is_certain, ports, family = kind
    grouped: defaultdict[frozenset[End], list[End]] = defaultdict(list)
    for destination, sources in by.items():
        grouped[frozenset(sources)].append(destination)
    ranges = dict(ports)
    for clients, destinations in grouped.items():
        yield ConnectionLine(
            effect, names(clients, whole, parts), names(destinations, whole, parts), port_ranges.text(ranges),
            port_ranges.lines(ranges), f"IPv{family}" if family else "", is_certain,
        )  # fmt: skip


def names(ends: Iterable[End], whole: list[tuple[Interval, ...]], parts: Parts) -> tuple[str, ...]:
    """Return the names of workloads, then the addresses outside: `outside` where these are all of a family."""
    found = list(ends)
    pods = parts.shown(end for end in found if len(end) == 2)
    outside: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for end in found:
        if len(end) == 3:
            outside[end[0]].append((end[1], end[2]))
    shown = {family: union(parts) for family, parts in sorted(outside.items())}
    texts = ("outside" if one in whole else f"outside {outside_text(one, family)}" for family, one in shown.items())
    return (*pods, *dict.fromkeys(texts))
