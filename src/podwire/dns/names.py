"""Domain names: text for people, wire form for packets and look-ups (RFC 1035 sections 3.1 and 4.1.4).

A wire name is a run of labels, each a length byte and its bytes, ended by a zero byte. Length bytes are at most 63 and
so below every letter: `wire.lower()` folds the case of the letters and touches nothing else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_LABEL = 63
LONGEST_NAME = 255
ROOT = b"\x00"
_LENGTHS = tuple(bytes((size,)) for size in range(LONGEST_LABEL + 1))


class FormatError(ValueError):
    """Bytes or text that are no DNS name, or a message that is cut short."""


def to_wire(text: str) -> bytes:
    """The wire form of a dotted name, with or without the last dot; no escapes. Raises FormatError."""
    raw = text.removesuffix(".").encode("ascii", "replace")
    parts = raw.split(b".") if raw else []
    if not text.isascii() or (parts and not (min(map(len, parts)) and max(map(len, parts)) <= LONGEST_LABEL)):
        raise FormatError(f"{text!r} is no domain name: each part must have 1 to 63 ASCII characters")
    if len(raw) > LONGEST_NAME - 2:
        raise FormatError(f"{text!r} is no domain name: it is longer than 255 bytes")
    return b"".join([_LENGTHS[len(part)] + part for part in parts]) + ROOT


def to_text(wire: bytes) -> str:
    """The dotted form with the last dot; bytes that are not plain are escaped (RFC 1035 section 5.1)."""
    return "".join(_label_text(label) + "." for label in labels(wire)) or "."


def _label_text(label: bytes) -> str:
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'.\\"();@$' else f"\\{byte:03d}" for byte in label
    )


def labels(wire: bytes) -> list[bytes]:
    """The labels of a wire name, the root's empty one left out."""
    found = []
    position = 0
    while wire[position]:
        end = position + 1 + wire[position]
        found.append(wire[position + 1 : end])
        position = end
    return found


def suffixes(wire: bytes) -> Iterator[tuple[int, bytes]]:
    """The name itself, then each name above it down to the root, with the place where it begins."""
    position = 0
    while wire[position]:
        yield position, wire[position:]
        position += 1 + wire[position]
    yield position, ROOT


def parent(wire: bytes) -> bytes:
    """The name without its first label. The root has none: do not pass it."""
    return wire[1 + wire[0] :]


def skip(raw: bytes, position: int, *, compressed: bool = True) -> int:
    """The place behind a name in a message. Raises FormatError, also for a pointer where none is allowed."""
    length = 0
    while True:
        if position >= len(raw):
            raise FormatError("a name runs past the end of the message")
        size = raw[position]
        if size >= 0xC0 and compressed and position + 2 <= len(raw):
            return position + 2
        if size > LONGEST_LABEL:
            raise FormatError("a label of an unknown kind")
        length += 1 + size
        if length > LONGEST_NAME:
            raise FormatError("a name is longer than 255 bytes")
        position += 1 + size
        if not size:
            return position


def expand(raw: bytes, position: int) -> tuple[bytes, int]:
    """A name in a message with its pointers followed, and the place behind it. Raises FormatError.

    Each pointer must lead further back than where the part before it began, so that a loop cannot be written.
    """
    end = skip(raw, position)
    wire = bytearray()
    floor = position
    while True:
        size = raw[position]
        if size >= 0xC0:
            position = (size & 0x3F) << 8 | raw[position + 1]
            if position >= floor:
                raise FormatError("a pointer of a compressed name does not lead back")
            floor = position
            skip(raw, position)
            continue
        wire += raw[position : position + 1 + size]
        if len(wire) > LONGEST_NAME:
            raise FormatError("a name is longer than 255 bytes")
        if not size:
            return bytes(wire), end
        position += 1 + size


def compress(name: bytes, question: bytes, offset: int = 12) -> bytes:
    """The name, its tail replaced by a pointer where the question name has the same tail (RFC 1035 section 4.1.4)."""
    tails = {tail: place for place, tail in suffixes(question.lower()) if tail != ROOT}
    for place, tail in suffixes(name.lower()):
        if tail in tails:
            return name[:place] + (0xC000 | (offset + tails[tail])).to_bytes(2, "big")
    return name


def reverse_name(address: IPAddress) -> str:
    """The name of an address under in-addr.arpa or ip6.arpa."""
    return address.reverse_pointer


def reverse_zones(network: IPNetwork) -> tuple[str, ...]:
    """The reverse zones that hold exactly this range: more than one where it does not end at an octet or nibble."""
    step = 8 if network.version == 4 else 4
    whole = -(-network.prefixlen // step) * step
    parts = network.max_prefixlen // step
    return tuple(
        ".".join(subnet.network_address.reverse_pointer.split(".")[parts - whole // step :])
        for subnet in network.subnets(new_prefix=whole)
    )
