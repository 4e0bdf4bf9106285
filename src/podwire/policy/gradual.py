"""A decision row with more elements than a transaction takes, changed by several of which none opens. Pure.

An element of a decision that is deleted leaves a packet to a wider one, which may accept it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec.structs import replace

from podwire.policy.decisions import DENY, Decision
from podwire.policy.tier_layout import EXPANDED_PORTS
from podwire.policy.tier_rows import TierAddressRow, TierBlocksRow, TierRow, TierSpan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.policy.narrow_first import RowChange

_ENDS_CUT = 4
"""How much less than the limit a part may be: a span at a cut is replaced by two."""


def gradual(change: RowChange, most_changes: int) -> Iterator[RowChange]:
    """Return the change, or a chain of them in its place where that of a decision row may not fit."""
    old, new = change
    row = new if new is not None else old
    if isinstance(row, TierBlocksRow):
        spans = [each.spans if isinstance(each, TierBlocksRow) else () for each in change]
        if sum(map(_elements, (*spans[0], *spans[1]))) > most_changes:
            chain = [replace(row, spans=each) if each else None for each in _mixtures(spans[0], spans[1], most_changes)]
            yield from pairwise((old, *chain, new))
            return
    elif isinstance(row, TierRow | TierAddressRow) and _may_exceed(change, most_changes):
        sides = [each.decision.spans if isinstance(each, TierRow | TierAddressRow) else () for each in change]
        if sum(min(span.last - span.first + 1, EXPANDED_PORTS) for span in (*sides[0], *sides[1])) > most_changes:
            denied = [replace(row, decision=Decision(DENY, spans)) for spans in (sides[0], (), sides[1])]
            yield from pairwise((old, *(denied if old is not None else denied[1:]), new))
            return
    yield change


def _may_exceed(change: RowChange, most_changes: int) -> bool:
    """Whether it takes a closer look: most decisions have few spans."""
    spans = sum(len(each.decision.spans) for each in change if isinstance(each, TierRow | TierAddressRow))
    return spans * EXPANDED_PORTS > most_changes


def _mixtures(
    old: tuple[TierSpan, ...], new: tuple[TierSpan, ...], most_changes: int
) -> Iterator[tuple[TierSpan, ...]]:
    """Spans that are the new ones below an address and the old ones from there, which rises."""
    waiting = 0
    for span in sorted((*old, *new)):
        cut = int(span.first)
        waiting += _elements(span)
        if waiting > most_changes // _ENDS_CUT:
            below = (
                replace(each, last=span.first - 1) if int(each.last) >= cut else each
                for each in new
                if int(each.first) < cut
            )
            above = (
                replace(each, first=span.first) if int(each.first) < cut else each
                for each in old
                if int(each.last) >= cut
            )
            yield (*below, *above)
            waiting = _elements(span)


def _elements(span: TierSpan) -> int:
    return 1 + len(span.decision.spans)
