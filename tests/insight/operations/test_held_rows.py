"""Rows of Services on their way from a node."""

from __future__ import annotations

import msgspec
import pytest

from podwire.insight.operations.held_rows import HeldRow, decode, encode
from podwire.kube.backends import Backend
from podwire.services.model import Frontend, Protocol
from podwire.services.pool_row import PoolRow
from podwire.services.rows import DrawRow, FrontendRow, MemberRow, Members, SourceRow, StickyRow

ROWS: list[HeldRow] = [
    PoolRow(4, 1, Protocol.TCP, (Backend("10.0.0.1", 80), None)),
    StickyRow(1 << 20, Protocol.UDP, Backend("fd00::1", 53)),
    DrawRow(6, 3, 1 << 20),
    FrontendRow(Frontend("10.96.0.1", Protocol.TCP, 443), True, 7),
    MemberRow(Members.HAIRPIN, "10.0.0.1"),
    SourceRow(1, "10.0.0.0/8"),
]


def test_all_rows_come_out_as_they_went_in() -> None:
    assert decode(encode(ROWS)) == ROWS


def test_rows_of_another_version_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown type: NewRow"):
        decode(b'[{"type": "NewRow", "row": {}}]')
    with pytest.raises(msgspec.ValidationError):
        decode(b'[{"type": "SourceRow", "row": {}}]')
