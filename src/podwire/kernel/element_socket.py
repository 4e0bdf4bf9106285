"""Changes of nftables' elements over netlink, without libnftables.

Before each transaction libnftables reads all tables of the namespace: a millisecond of processor time, whether one
element changes or a thousand; then it parses text. An element that brings its registers costs a microsecond.
Sources: linux/netfilter/nf_tables.h, net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Protocol, TypeGuard

from podwire.kernel.elements import Batch, Listed
from podwire.kernel.netlink import NETLINK_NETFILTER, NLM_F_CREATE, Netlink, Request, attribute, text
from podwire.kernel.nftables import NftablesError

_SUBSYSTEM = 10
_NEW_ELEMENTS, _DELETE_ELEMENTS = _SUBSYSTEM << 8 | 12, _SUBSYSTEM << 8 | 14
_TABLE, _SET, _ELEMENTS = 1, 2, 3
_LIST_ELEMENT, _KEY, _DATA, _VALUE = 1, 1, 2, 1
_NESTED = 0x8000
_ATTRIBUTE = struct.Struct("=HH")
_INET_HEADER = struct.pack("!BBH", 1, 0, 0)
_ELEMENTS_A_MESSAGE = 1000
"""The length of an attribute has 16 bits, and an element with two IPv6 addresses takes 44 bytes."""


class Packed(Listed, Protocol):
    """An element that has the kernel's form too."""

    @property
    def key_registers(self) -> bytes:
        """The key, each part padded to 4 bytes."""
        ...

    @property
    def value_registers(self) -> bytes:
        """The value in the same form; empty in sets."""
        ...


class ElementSocket:
    """Changes elements of these sets and maps of an inet table, which hold no intervals.

    All elements of one of them have registers of one size. It works in the network namespace that this thread was in
    when it was made.
    """

    def __init__(self, table: str, collections: Iterable[str]) -> None:
        self._table = text(_TABLE, table)
        self._collections = frozenset(collections)
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)

    def takes(self, batch: Batch[Listed]) -> TypeGuard[Batch[Packed]]:
        """Whether all of the batch is of these collections."""
        names = set(map(_collection, batch.deletions))
        names.update(map(_collection, batch.additions))
        return bool(names) and names <= self._collections

    def run(self, batch: Batch[Packed]) -> None:
        """Make all changes in one transaction. Blocks. Raises NftablesError, and nothing is changed then."""
        deletions = self._requests(_DELETE_ELEMENTS, 0, batch.deletions)
        additions = self._requests(_NEW_ELEMENTS, NLM_F_CREATE, batch.additions)
        try:
            self._netlink.transaction(_SUBSYSTEM, [*deletions, *additions])
        except OSError as error:
            raise NftablesError(str(error)) from error

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def _requests(self, kind: int, flags: int, elements: Iterable[Packed]) -> Iterator[Request]:
        """One request for each run of elements of the same collection."""
        for name, run in itertools.groupby(elements, key=_collection):
            head = _INET_HEADER + self._table + text(_SET, name)
            verb = "delete" if kind == _DELETE_ELEMENTS else "add"
            while listed := list(itertools.islice(run, _ELEMENTS_A_MESSAGE)):
                items = _deleted(listed) if kind == _DELETE_ELEMENTS else _added(listed)
                body = head + attribute(_ELEMENTS | _NESTED, items)
                yield Request(kind, flags, body, f"{verb} elements of {name}, such as {listed[0].key_text}")


_collection = attrgetter("collection")


def _deleted(elements: Sequence[Packed]) -> bytes:
    """The attributes of elements by their keys."""
    head = _key_head(len(elements[0].key_registers), 0)
    return b"".join([head + element.key_registers for element in elements])


def _added(elements: Sequence[Packed]) -> bytes:
    """The attributes of elements with their values, all of one size: what is before a key and a value is the same."""
    key, value = len(elements[0].key_registers), len(elements[0].value_registers)
    if not value:
        return _deleted(elements)
    between = _ATTRIBUTE.pack(2 * _ATTRIBUTE.size + value, _DATA | _NESTED)
    between += _ATTRIBUTE.pack(_ATTRIBUTE.size + value, _VALUE)
    head = _key_head(key, len(between) + value)
    return b"".join([head + element.key_registers + between + element.value_registers for element in elements])


def _key_head(key: int, after: int) -> bytes:
    """What is before the key of an element: `key` bytes, and `after` more bytes follow."""
    value = _ATTRIBUTE.pack(_ATTRIBUTE.size + key, _VALUE)
    nested = _ATTRIBUTE.pack(2 * _ATTRIBUTE.size + key, _KEY | _NESTED)
    return _ATTRIBUTE.pack(3 * _ATTRIBUTE.size + key + after, _LIST_ELEMENT | _NESTED) + nested + value
