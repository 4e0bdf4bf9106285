"""The order of the changes of a batch that takes several transactions, so that nothing opens between them. Pure.

Between two transactions no packet passes that neither the old nor the new rows allow. A packet between two pods of this
node is judged twice, so a row that allows more in one direction may open what the other direction is yet to close. So
each direction first becomes what both the old and the new rows allow; then addresses get their new identities; then
each direction becomes what the new rows allow. Packets that both ends allow pass meanwhile, but for:

- those that an old and a new row allow under different keys, between pods of this node or by wider peers;
- pods for which ClusterNetworkPolicies decide, and which NetworkPolicies begin or cease to isolate;
- a peer that gets a decision of its own beside wider ones, or loses it: it is denied in between.

These lose first packets of new connections for the time of the batch: better than to let others through.
"""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum, auto
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from podwire.policy.decisions import DENY, UNDECIDED, Decision
from podwire.policy.intersection import blocks_in_both, blocks_of_both, narrower, ranges_in_both
from podwire.policy.model import Direction
from podwire.policy.numbering import AT_ANY
from podwire.policy.rows import (
    AddressRow,
    BlocksRow,
    IsolatedRow,
    LinkRow,
    PeerRow,
    PortRow,
    RangesRow,
    ResolverRow,
    Row,
    SelfRow,
)
from podwire.policy.tier_rows import (
    KnownOnlyRow,
    NamingRow,
    NodeAddressRow,
    TierAddressRow,
    TierBlocksRow,
    TieredRow,
    TierRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from podwire.engine.row import Delta

RowChange = tuple[Row | None, Row | None]
"""A row before and after; None where there is none."""

Side = tuple[Direction, int]
"""What pods of an identity receive, or send."""

AllowRow = PeerRow | PortRow | RangesRow | BlocksRow
DecisionRow = TierRow | TierAddressRow | TierBlocksRow

_DENIED = Decision(DENY)


class Ground(msgspec.Struct, frozen=True):
    """What the order depends on that is not in the batch."""

    tiered: Set[Side] = frozenset()
    """The sides that ClusterNetworkPolicies decide for, before the batch."""
    local: Set[int] = frozenset()
    """The identities of this node's pods, before the batch."""


class Phases(msgspec.Struct, frozen=True):
    """Changes of rows, in order."""

    narrowing: tuple[RowChange, ...]
    moving: tuple[RowChange, ...]
    """Of addresses."""
    opening: tuple[RowChange, ...]


class _Place(IntEnum):
    """Where a change is made."""

    ALLOWED_BEFORE_ISOLATION = auto()
    ISOLATION = auto()
    ALLOWED_NO_LONGER = auto()
    NARROWER_DECISION = auto()
    TIERED = auto()
    AT_REMOTE_PEER = auto()
    ADDRESS = auto()
    """Of addresses, and of what neither allows nor denies."""
    AFTER_REMOTE_PEER = auto()
    TIERED_NO_LONGER = auto()
    WIDER_DECISION = auto()
    ALLOWED = auto()
    ISOLATION_ENDS = auto()
    ALLOWED_AFTER_ISOLATION = auto()


def phases(delta: Delta[Row], local: Set[int], ground: Ground) -> Phases:
    """Return the changes of a batch without rows of links. `local`: identities that links get with it."""
    sorting = _Sorting(delta, ground, local)
    places: defaultdict[_Place, list[RowChange]] = defaultdict(list)
    for old, new in delta.changes():
        for place, change in sorting.placed(old, new):
            places[place].append(change)

    def between(first: _Place, last: _Place) -> tuple[RowChange, ...]:
        return tuple(change for place in _Place if first <= place <= last for change in places.get(place, ()))

    return Phases(
        between(_Place.ALLOWED_BEFORE_ISOLATION, _Place.AT_REMOTE_PEER),
        between(_Place.ADDRESS, _Place.ADDRESS),
        between(_Place.AFTER_REMOTE_PEER, _Place.ALLOWED_AFTER_ISOLATION),
    )


class _Sorting:
    """Finds the places of the changes of one batch."""

    def __init__(self, delta: Delta[Row], ground: Ground, local: Set[int]) -> None:
        self._isolated = {(row.direction, row.subject) for row in delta.upserts if isinstance(row, IsolatedRow)}
        self._freed = {(row.direction, row.subject) for row in delta.removals if isinstance(row, IsolatedRow)}
        entering = {(row.direction, row.subject) for row in delta.upserts if isinstance(row, TieredRow)}
        leaving = {(row.direction, row.subject) for row in delta.removals if isinstance(row, TieredRow)}
        self._flipped = entering | leaving
        """What has decisions from now on, or no longer, had or will have none: that is the same as undecided."""
        self._tiered = ground.tiered | entering
        self._local = ground.local | local
        self._left = {row.identity for row in (*delta.replaced, *delta.removals) if isinstance(row, AddressRow)}
        self._entered = {row.identity for row in delta.upserts if isinstance(row, AddressRow)}

    def placed(self, old: Row | None, new: Row | None) -> Iterator[tuple[_Place, RowChange]]:
        """Return the parts of a change, and where each is made."""
        row = new if new is not None else old
        match row:
            case AddressRow() | SelfRow() | NamingRow() | ResolverRow() | NodeAddressRow():
                yield _Place.ADDRESS, (old, new)
            case KnownOnlyRow():
                yield _Place.NARROWER_DECISION if new is not None else _Place.WIDER_DECISION, (old, new)
            case IsolatedRow():
                yield _Place.ISOLATION if new is not None else _Place.ISOLATION_ENDS, (old, new)
            case TieredRow():
                yield _Place.TIERED if new is not None else _Place.TIERED_NO_LONGER, (old, new)
            case PeerRow() | PortRow() | RangesRow() | BlocksRow():
                yield from self._allowing(row, old, new)
            case TierRow() | TierAddressRow() | TierBlocksRow():
                yield from self._deciding(row, old, new)
            case LinkRow() | None:  # no `case _`: the type checker names a kind of row that has no place
                raise TypeError(f"{row} is no row of the table")

    def _allowing(self, row: AllowRow, old: Row | None, new: Row | None) -> Iterator[tuple[_Place, RowChange]]:
        side = (row.direction, row.subject)
        if side not in self._tiered and side in self._isolated:
            yield _Place.ALLOWED_BEFORE_ISOLATION, (old, new)
        elif side not in self._tiered and side in self._freed:
            yield _Place.ALLOWED_AFTER_ISOLATION, (old, new)
        elif place := None if isinstance(row, BlocksRow) else self._remote(row.peer):
            yield place, (old, new)
        else:
            yield from _halves(old, _allowed_by_both(old, new), new, (_Place.ALLOWED_NO_LONGER, _Place.ALLOWED))

    def _deciding(self, row: DecisionRow, old: Row | None, new: Row | None) -> Iterator[tuple[_Place, RowChange]]:
        flipped = (row.direction, row.subject) in self._flipped
        place = self._remote(row.peer) if isinstance(row, TierRow) and not flipped else None
        if place is not None:
            yield place, (old, new)
            return
        absent = UNDECIDED if flipped or row.stage == AT_ANY else _DENIED
        both = _decided_by_both(row, old, new, absent)
        yield from _halves(old, both, new, (_Place.NARROWER_DECISION, _Place.WIDER_DECISION))

    def _remote(self, peer: int) -> _Place | None:
        """Where rows of the peer change at once: None where it may be, or may have been, a pod of this node.

        Connections with pods of other nodes are judged once here. Addresses must not meet a row that has changed before
        they leave this identity, nor one that has not when they get it.
        """
        if not peer & 0xFFFF or not peer & 0x7FFF0000 or peer in self._local:
            return None
        if peer not in self._left:
            return _Place.AT_REMOTE_PEER
        return _Place.AFTER_REMOTE_PEER if peer not in self._entered else None


def _halves(
    old: Row | None, both: Row | None, new: Row | None, places: tuple[_Place, _Place]
) -> Iterator[tuple[_Place, RowChange]]:
    """The change by way of what both rows allow."""
    if old != both:
        yield places[0], (old, both)
    if both != new:
        yield places[1], (both, new)


def _allowed_by_both(old: Row | None, new: Row | None) -> Row | None:
    if isinstance(old, RangesRow) and isinstance(new, RangesRow):
        return ranges_in_both(old, new)
    if isinstance(old, BlocksRow) and isinstance(new, BlocksRow):
        return blocks_in_both(old, new)
    return None


def _decided_by_both(row: DecisionRow, old: Row | None, new: Row | None, absent: Decision) -> Row | None:
    if isinstance(row, TierBlocksRow):
        before, after = (each.spans if isinstance(each, TierBlocksRow) else () for each in (old, new))
        return blocks_of_both(row, before, after)
    left, right = (each.decision if isinstance(each, TierRow | TierAddressRow) else absent for each in (old, new))
    both = narrower(left, right)
    return row if both == row.decision else replace(row, decision=both)
