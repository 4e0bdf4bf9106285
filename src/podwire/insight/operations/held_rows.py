"""The rows of Services that kernels hold, read back, as JSON between a node and the command line."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.kernel.setdump import SetDump
from podwire.services import rows
from podwire.services.pool_row import PoolRow
from podwire.services.readback import held_rows
from podwire.services.rows import ElementRow

HeldRow = PoolRow | ElementRow
_KINDS = (PoolRow, rows.StickyRow, rows.DrawRow, rows.FrontendRow, rows.MemberRow, rows.SourceRow)
_TYPES: dict[str, type[HeldRow]] = {kind.__name__: kind for kind in _KINDS}


class _Typed(msgspec.Struct):
    type: str
    row: msgspec.Raw


def encode(held: Iterable[HeldRow]) -> bytes:
    """Return rows as JSON, each with its type."""
    return msgspec.json.encode([{"type": type(row).__name__, "row": row} for row in held])


def decode(text: bytes) -> list[HeldRow]:
    """Return the rows of `encode`. Raises msgspec's ValidationError where another version has other rows."""
    typed = msgspec.json.decode(text, type=list[_Typed])
    unknown = {one.type for one in typed} - _TYPES.keys()
    if unknown:
        raise msgspec.ValidationError(f"rows of an unknown type: {', '.join(sorted(unknown))}")
    return [msgspec.json.decode(one.row, type=_TYPES[one.type]) for one in typed]


def of_this_node() -> bytes:
    """Return what the kernel of this network namespace holds. Raises NetlinkError."""
    return encode(row for family in (4, 6) for row in held_rows(SetDump(), family))
