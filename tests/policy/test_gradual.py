"""Large decision rows change in parts: each address has its old or its new decision, or is denied."""

from __future__ import annotations

import ipaddress

from podwire.kernel.elements import Batch, batches
from podwire.policy import layout
from podwire.policy.decisions import ACCEPT, DENY, Decision, PortSpan
from podwire.policy.gradual import gradual
from podwire.policy.model import Direction
from podwire.policy.rows import Row
from podwire.policy.tier_rows import TierBlocksRow, TierRow, TierSpan

LIMIT = 20
FIRST = ipaddress.IPv4Address("9.0.0.0")


def spans(width: int, offset: int, value: int) -> tuple[TierSpan, ...]:
    """Sixty ranges of addresses with gaps."""
    step = width + 3
    starts = (FIRST + offset + number * step for number in range(60))
    return tuple(TierSpan(start, start + width - 1, Decision(value)) for start in starts)


def decided(row: Row | None, number: int) -> int:
    found = row.spans if isinstance(row, TierBlocksRow) else ()
    values = [span.decision.base for span in found if int(span.first) <= int(FIRST) + number <= int(span.last)]
    assert len(values) < 2, "spans do not overlap"
    return values[0] if values else 0


def transactions(old: Row | None, new: Row | None) -> list[Batch]:  # type: ignore[type-arg]
    elements = [layout.elements(row) if row else () for row in (old, new)]
    return list(batches([(elements[0], elements[1])], LIMIT))


def test_ranges_of_addresses_change_from_the_lowest_up() -> None:
    old, new = (TierBlocksRow(1, 4, each) for each in (spans(4, 0, DENY), spans(5, 1, ACCEPT)))
    for ends in ((old, new), (old, None), (None, new)):
        chain = list(gradual(ends, LIMIT))
        assert (chain[0][0], chain[-1][1]) == ends
        assert len(chain) > 5
        for before, after in chain:
            assert len(transactions(before, after)) <= 1
            assert all(decided(after, n) in {decided(ends[0], n), decided(ends[1], n)} for n in range(500))


def test_a_peer_with_many_ports_is_denied_in_between() -> None:
    ports = [tuple(PortSpan("TCP", n, n, ACCEPT) for n in range(first, 100, 2)) for first in (1, 2)]
    old, new = (TierRow(Direction.INGRESS, 1, 0, 1 << 31, Decision(ACCEPT, each)) for each in ports)
    rows = [after for _, after in gradual((old, new), LIMIT)]
    assert [row.decision.base for row in rows if isinstance(row, TierRow)] == [DENY, DENY, DENY, ACCEPT]
    assert rows[-1] == new


def test_a_small_row_changes_at_once() -> None:
    old, new = (TierBlocksRow(1, 4, spans(4, 0, each)[:3]) for each in (DENY, ACCEPT))
    assert list(gradual((old, new), LIMIT)) == [(old, new)]
