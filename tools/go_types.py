"""Read the types that a Go program carries for its own reflection: structs with their fields and tags.

Works on a Linux/amd64 program that is not position independent, made by Go 1.26 (`internal/abi/type.go`,
`runtime/symtab.go`); other layouts are refused. No symbols are needed: kubectl's are stripped.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORD = 8
TYPE_SIZE = 48
"""Bytes of `abi.Type`; what a kind adds follows it."""

TYPES_IN_MODULE = 296
TYPELINKS_IN_MODULE = 360
"""Offsets in `runtime.moduledata`."""

UNCOMMON, EXTRA_STAR, NAMED = 1, 2, 4
"""Flags of a type (`abi.TFlag`)."""


class Kind(enum.IntEnum):
    """The kinds that the API's types use (`abi.Kind`)."""

    BOOL = 1
    INT = 2
    INT32 = 5
    INT64 = 6
    UINT8 = 8
    UINT32 = 10
    UINT64 = 12
    FLOAT64 = 14
    MAP = 21
    POINTER = 22
    SLICE = 23
    STRING = 24
    STRUCT = 25


_OWN_SIZE: dict[int, int] = {Kind.MAP: 56, Kind.POINTER: 8, Kind.SLICE: 8, Kind.STRUCT: 32}
"""Bytes that a kind adds to `abi.Type`; the others of Kind add none."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct: its Go name, the address of its type, its tags by key."""

    name: str
    type: int
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the file: where it is when loaded, where in the file, and how long."""

    address: int
    offset: int
    size: int


class Program:
    """A Go program's types, each known by its address. What is not such a program raises ValueError."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()
        if self._data[:5] != b"\x7fELF\x02":
            raise ValueError(f"{path} is not a 64-bit ELF file")
        self._sections = _sections(self._data)
        module = self._sections.get(".go.module")
        if module is None:
            raise ValueError(f"{path} has no section .go.module: it is not a program of Go 1.26")
        self._types = self._word(module.address + TYPES_IN_MODULE)
        self._links = self._word(module.address + TYPELINKS_IN_MODULE), self._word(module.address + 368)

    def named_structs(self) -> Iterator[tuple[str, int]]:
        """Each struct type with a name, that some pointer type leads to: `package/path.Name` and its address."""
        start, count = self._links
        for offset in struct.unpack(f"<{count}i", self._at(start, 4 * count)):
            address = self._types + offset
            if self.kind(address) == Kind.POINTER:
                target = self.element(address)
                if self.kind(target) == Kind.STRUCT and self._flags(target) & NAMED:
                    yield self.name(target), target

    def kind(self, type_address: int) -> int:
        """The kind of a type, one of Kind or another number."""
        return self._at(type_address + 23, 1)[0] & 31

    def name(self, type_address: int) -> str:
        """The full name of a type, `package/path.Name`; Go's own notation for one without a name."""
        text = self._name(self._types + self._half(type_address + 40))[0]
        text = text[1:] if self._flags(type_address) & EXTRA_STAR else text
        package = self._package(type_address)
        return f"{package}.{text.rpartition('.')[2]}" if package else text

    def element(self, type_address: int) -> int:
        """What a pointer, slice or map holds."""
        return self._word(type_address + TYPE_SIZE + (WORD if self.kind(type_address) == Kind.MAP else 0))

    def methods(self, type_address: int) -> set[str]:
        """The names of a type's methods."""
        uncommon = self._uncommon(type_address)
        if not uncommon:
            return set()
        count, first = struct.unpack("<H", self._at(uncommon + 4, 2))[0], self._half(uncommon + 8)
        return {self._name(self._types + self._half(uncommon + first + 16 * index))[0] for index in range(count)}

    def fields(self, type_address: int) -> Iterator[Field]:
        """The fields of a struct."""
        first, count = struct.unpack("<QQ", self._at(type_address + TYPE_SIZE + WORD, 16))
        for entry in range(first, first + 24 * count, 24):
            name, tag = self._name(self._word(entry))
            yield Field(name, self._word(entry + WORD), _tags(tag))

    def _flags(self, type_address: int) -> int:
        return self._at(type_address + 20, 1)[0]

    def _uncommon(self, type_address: int) -> int:
        if not self._flags(type_address) & UNCOMMON:
            return 0
        kind = self.kind(type_address)
        own = _OWN_SIZE.get(kind, 0 if kind in set(Kind) else None)
        return 0 if own is None else type_address + TYPE_SIZE + own

    def _package(self, type_address: int) -> str:
        uncommon = self._uncommon(type_address)
        offset = self._half(uncommon) if uncommon else 0
        return self._name(self._types + offset)[0] if offset else ""

    def _name(self, address: int) -> tuple[str, str]:
        """A name and its tag (`abi.Name`): flags, then a length and text for each."""
        tagged = self._at(address, 1)[0] & 2
        text, end = self._text(address + 1)
        return text, self._text(end)[0] if tagged else ""

    def _text(self, address: int) -> tuple[str, int]:
        length, shift = 0, 0
        while True:
            byte = self._at(address, 1)[0]
            length |= (byte & 0x7F) << shift
            shift, address = shift + 7, address + 1
            if byte < 0x80:
                return self._at(address, length).decode(), address + length

    def _word(self, address: int) -> int:
        return int.from_bytes(self._at(address, WORD), "little")

    def _half(self, address: int) -> int:
        return int.from_bytes(self._at(address, 4), "little", signed=True)

    def _at(self, address: int, size: int) -> bytes:
        for section in self._sections.values():
            if section.address <= address and address + size <= section.address + section.size:
                start = address - section.address + section.offset
                return self._data[start : start + size]
        raise ValueError(f"no section has the address {address:#x}: another Go release, or position independent")


def _sections(data: bytes) -> dict[str, Section]:
    """The loaded sections by name (ELF-64, little endian)."""
    table, size, count, names = (
        struct.unpack_from("<Q", data, 0x28)[0],
        *struct.unpack_from("<HHH", data, 0x3A),
    )
    entries = [struct.unpack_from("<IIQQQQ", data, table + size * index) for index in range(count)]
    texts = entries[names][4]
    found = {}
    for name, _, _, address, offset, length in entries:
        start = texts + name
        if address:
            found[data[start : data.index(b"\0", start)].decode()] = Section(address, offset, length)
    return found


def _tags(text: str) -> dict[str, str]:
    """The parts of a struct tag, `key:"value" key:"value"`."""
    parts = text.split('"')
    return {key.strip().rstrip(":"): value for key, value in zip(parts[::2], parts[1::2], strict=False)}
