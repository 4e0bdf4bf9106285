from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.apiserver.bodies.protobuf import wire
from podwire.apiserver.bodies.protobuf.wire import WireError
from tests.apiserver.bodies.protobuf.encoder import field, numeric, varint


@given(st.integers(0, 2**64 - 1))
def test_a_number_is_the_same_after_a_round_trip(value: int) -> None:
    raw = varint(value)
    assert wire.varint(raw + b"rest", 0) == (value, len(raw))


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_negative_number_is_the_same_after_a_round_trip(value: int) -> None:
    assert wire.signed(wire.varint(varint(value), 0)[0]) == value


def test_fields_come_in_order_with_what_they_hold() -> None:
    fixed = bytes([3 << 3 | 5, 1, 0, 0, 0]) + bytes([4 << 3 | 1, 2, 0, 0, 0, 0, 0, 0, 0])
    assert list(wire.fields(numeric(1, 300) + field(2, "web") + fixed)) == [(1, 300), (2, b"web"), (3, 1), (4, 2)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08", "end inside a number"),
        (b"\x08\x80", "end inside a number"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "longer than 10 bytes"),
        (b"\x0a\x05web", "field 1 has 5 bytes, but only 3 follow"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "but only 0 follow"),
        (b"\x0d\x00", "field 1 has 4 bytes"),
        (b"\x0b", "wire type 3"),
        (b"\x02\x00", "no field number 0"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        list(wire.fields(data))


def test_a_value_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(WireError, match="bytes where a number"):
        wire.number(b"x")
    with pytest.raises(WireError, match="number where bytes"):
        wire.content(1)
    with pytest.raises(WireError, match="not UTF-8"):
        wire.text(b"\xff")
