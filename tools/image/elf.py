"""Programs and libraries: which libraries they need, and the bytes that are loaded. Source: elf(5), 64 bits."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator

import msgspec

from tools.image.tree import File, Link, Tree

_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRING_TABLE = 1, 5
_SECTION_FIELDS = ((40, 8), (58, 6))
"""Offset and length in the header of what describes sections: e_shoff; e_shentsize, e_shnum, e_shstrndx."""


class _Segment(msgspec.Struct, frozen=True):
    kind: int
    offset: int
    address: int
    size: int


def is_elf(content: bytes) -> bool:
    """Whether it is a program or a library of 64 bits, little-endian."""
    return content[:6] == b"\x7fELF\x02\x01"


def without_symbols(content: bytes) -> bytes:
    """The file without what no loader reads: symbols and debugging tables, where they are behind all that is loaded."""
    if not is_elf(content):
        return content
    table, entry_size, count = _table(content)
    ends = [each.offset + each.size for each in _segments(content)]
    kept = bytearray(content[: max([*ends, table + entry_size * count])])
    for offset, length in _SECTION_FIELDS:
        kept[offset : offset + length] = bytes(length)
    return bytes(kept)


def needed(content: bytes) -> tuple[str, ...]:
    """The names of the libraries that the loader looks for."""
    segments = _segments(content)
    entries = [entry for each in segments if each.kind == _DYNAMIC for entry in _dynamic(content, each)]
    strings = next((value for tag, value in entries if tag == _STRING_TABLE), 0)
    offset = next(
        (
            each.offset + strings - each.address
            for each in segments
            if each.kind == _LOAD and each.address <= strings < each.address + each.size
        ),
        0,
    )
    return tuple(_text(content, offset + value) for tag, value in entries if tag == _NEEDED)


def missing_libraries(*trees: Tree) -> list[str]:
    """`PATH needs NAME` for each library that no tree has."""
    names = {posixpath.basename(path) for tree in trees for path, entry in tree if isinstance(entry, File | Link)}
    return [
        f"{path} needs {name}"
        for tree in trees
        for path, entry in tree
        if isinstance(entry, File) and is_elf(entry.content)
        for name in needed(entry.content)
        if name not in names
    ]


def _table(content: bytes) -> tuple[int, int, int]:
    (table,) = struct.unpack_from("<Q", content, 32)
    entry_size, count = struct.unpack_from("<HH", content, 54)
    return table, entry_size, count


def _segments(content: bytes) -> list[_Segment]:
    table, entry_size, count = _table(content)
    headers = (struct.unpack_from("<IIQQQQ", content, table + entry_size * index) for index in range(count))
    return [_Segment(kind, offset, address, size) for kind, _, offset, address, _, size in headers]


def _dynamic(content: bytes, segment: _Segment) -> Iterator[tuple[int, int]]:
    yield from struct.iter_unpack("<QQ", content[segment.offset : segment.offset + segment.size // 16 * 16])


def _text(content: bytes, offset: int) -> str:
    return content[offset : content.index(b"\0", offset)].decode()
