"""The protobuf wire format: numbered fields, their values not yet understood.

Source: protobuf.dev "Encoding". Groups (wire types 3 and 4) are refused: Kubernetes has none.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}

LONGEST_VARINT = 10
"""Bytes that 64 bits need, 7 in each."""


class WireError(ValueError):
    """The bytes are no message, or not the expected one; the text names the problem."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in order: number and value, an unsigned number or bytes. Raises WireError."""
    position, end = 0, len(data)
    while position < end:
        tag, position = varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise WireError(f"there is no field number {number}")
        if wire_type == VARINT:
            value, position = varint(data, position)
            yield number, value
            continue
        if wire_type == BYTES:
            size, position = varint(data, position)
        elif wire_type in _FIXED_SIZES:
            size = _FIXED_SIZES[wire_type]
        else:
            raise WireError(f"field {number} has the wire type {wire_type}, which is not used")
        if size > end - position:
            raise WireError(f"field {number} has {size} bytes, but only {end - position} follow")
        part = data[position : position + size]
        position += size
        yield number, part if wire_type == BYTES else int.from_bytes(part, "little")


def varint(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned number of up to 64 bits, and the position behind it. Raises WireError."""
    value = 0
    for count in range(LONGEST_VARINT):
        if position + count >= len(data):
            raise WireError("the bytes end inside a number")
        byte = data[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position + count + 1
    raise WireError(f"a number is longer than {LONGEST_VARINT} bytes")


def signed(value: int) -> int:
    """A 64-bit number in two's complement."""
    return value - (1 << 64) if value >> 63 else value


def number(value: int | bytes) -> int:
    """A value that must be a number. Raises WireError."""
    if isinstance(value, bytes):
        raise WireError("there are bytes where a number is expected")
    return value


def double(value: int | bytes) -> int | float:
    """A 64-bit floating point number, as JSON has it: whole ones without a fraction. Raises WireError."""
    (found,) = struct.unpack("<d", number(value).to_bytes(8, "little"))
    if not math.isfinite(found):
        raise WireError(f"{found} is no number that JSON has")
    return int(found) if found.is_integer() and abs(found) < 1 << 53 else float(found)


def content(value: int | bytes) -> bytes:
    """A value that must be bytes. Raises WireError."""
    if isinstance(value, int):
        raise WireError("there is a number where bytes are expected")
    return value


def text(value: int | bytes) -> str:
    """A value that must be text. Raises WireError."""
    try:
        return content(value).decode()
    except UnicodeDecodeError as error:
        raise WireError(f"a text is not UTF-8: {error}") from error
