"""Read back what nftables sets and maps hold, as typed elements.

Numbers are decoded from the kernel's registers, so nothing depends on /etc/protocols or on how nft prints a value.
"""

from __future__ import annotations

import enum
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING, Protocol

import msgspec

from podwire.kernel.elements import Element, Part, Range, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podwire.kernel.setdump import RawElement


class Field(enum.Enum):
    """The type of one part of a key or value: its size in bytes, and a name that makes equal sizes differ."""

    IPV4 = (4, "address")
    IPV6 = (16, "address")
    NUMBER = (4, "mark, group or other number in the machine's byte order")
    BIG_NUMBER = (4, "number in network byte order")
    PORT = (2, "port")
    PROTOCOL = (1, "protocol")
    FAMILY = (1, "family")
    INTERFACE = (16, "interface name")

    @property
    def size(self) -> int:
        """Bytes that count; a register is padded to 4."""
        return self.value[0]


class Collection(msgspec.Struct, frozen=True):
    """A set, or a map where it has a value. `interval` is nft's flag of that name."""

    name: str
    key: tuple[Field, ...]
    value: tuple[Field, ...] = ()
    interval: bool = False


class Elements(Protocol):
    """What reading back needs of the kernel (podwire.kernel.setdump.SetDump)."""

    def elements(self, table: str, name: str) -> Iterable[RawElement]:
        """Return all elements of a set or map of an inet table."""
        ...


PROTOCOLS = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp", socket.IPPROTO_SCTP: "sctp"}
"""Names of protocols with ports, by their IANA numbers."""


def held_elements(kernel: Elements, table: str, collections: Iterable[Collection]) -> Iterator[Element]:
    """Return all elements of these collections of an inet table. Blocks. Raises NetlinkError."""
    for collection in collections:
        raw = kernel.elements(table, collection.name)
        if collection.interval and len(collection.key) == 1:
            yield from _intervals(collection, raw)
            continue
        fields = tuple(map(_ordered, collection.key)) if collection.interval else collection.key
        for element in raw:
            key = _parts(fields, element.key)
            if element.last:
                key = tuple(map(_between, key, _parts(fields, element.last)))
            yield Element(collection.name, key, _parts(collection.value, element.data))


def _ordered(field: Field) -> Field:
    """The form of a part in a set of intervals: nft compares numbers in network byte order there."""
    return Field.BIG_NUMBER if field is Field.NUMBER else field


def _intervals(collection: Collection, raw: Iterable[RawElement]) -> Iterator[Element]:
    """Pair each first key with the nearest end after it; the last interval of the number space has none.

    Such a set may begin with an end: what lies before its first interval.
    """
    (field,) = collection.key
    bounds = sorted((int.from_bytes(each.key[: field.size], "big"), not each.end) for each in raw)
    first: int | None = None
    for number, begins in bounds:
        if first is not None:
            yield _interval(collection.name, field, first, number - 1)
        first = number if begins else None
    if first is not None:
        yield _interval(collection.name, field, first, (1 << 8 * field.size) - 1)


def _interval(name: str, field: Field, first: int, last: int) -> Element:
    ends = (_DECODERS[field](number.to_bytes(field.size, "big")) for number in (first, last))
    return Element(name, (_between(*ends),))


def _between(first: Part, last: Part) -> Part:
    if first == last:
        return first
    assert isinstance(first, int | ipaddress.IPv4Address | ipaddress.IPv6Address), "only these have an order"
    assert isinstance(last, int | ipaddress.IPv4Address | ipaddress.IPv6Address), "only these have an order"
    return Range(first, last)


def _parts(fields: tuple[Field, ...], registers: bytes) -> tuple[Part, ...]:
    parts: list[Part] = []
    offset = 0
    for field in fields:
        parts.append(_DECODERS[field](registers[offset : offset + field.size]))
        offset += (field.size + 3) & ~3
    return tuple(parts)


def _number(raw: bytes) -> int:
    (number,) = struct.unpack("=I", raw)
    return int(number)


def _protocol(raw: bytes) -> Part:
    return Word(PROTOCOLS.get(raw[0], str(raw[0])))


def _family(raw: bytes) -> Part:
    return Word({socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}[socket.AddressFamily(raw[0])])


_DECODERS: dict[Field, Callable[[bytes], Part]] = {
    Field.IPV4: ipaddress.IPv4Address,
    Field.IPV6: ipaddress.IPv6Address,
    Field.NUMBER: _number,
    Field.BIG_NUMBER: lambda raw: int.from_bytes(raw, "big"),
    Field.PORT: lambda raw: int.from_bytes(raw, "big"),
    Field.PROTOCOL: _protocol,
    Field.FAMILY: _family,
    Field.INTERFACE: lambda raw: Word(raw.rstrip(b"\0").decode()),
}
