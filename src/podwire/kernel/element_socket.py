"""Small changes of nftables' elements, over netlink without libnftables.

Before each transaction libnftables reads all tables of the namespace: a millisecond of processor time, whether one
element changes or a thousand. Large transactions are its work all the same, as it does not hold Python's lock.
Sources: linux/netfilter/nf_tables.h, net/netfilter/nf_tables_api.c.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from podwire.kernel.netlink import (
    NETLINK_NETFILTER,
    NLM_F_CREATE,
    Netlink,
    Request,
    attribute,
    nested,
    text,
)
from podwire.kernel.nftables import NftablesError
from podwire.kernel.readback import PROTOCOLS, Collection, Field

if TYPE_CHECKING:
    from podwire.kernel.elements import Batch, Listed

LARGEST = 200
"""Changes of a transaction that is small."""

_SUBSYSTEM = 10
_NEW_ELEMENTS, _DELETE_ELEMENTS = _SUBSYSTEM << 8 | 12, _SUBSYSTEM << 8 | 14
_TABLE, _SET, _ELEMENTS = 1, 2, 3
_LIST_ELEMENT, _KEY, _DATA, _VALUE = 1, 1, 2, 1
_INET_HEADER = struct.pack("!BBH", 1, 0, 0)
_PROTOCOL_NUMBERS = {name: bytes((number, 0, 0, 0)) for number, name in PROTOCOLS.items()}

_REGISTERS: dict[Field, Callable[[str], bytes]] = {
    Field.IPV4: lambda word: socket.inet_pton(socket.AF_INET, word),
    Field.IPV6: lambda word: socket.inet_pton(socket.AF_INET6, word),
    Field.NUMBER: lambda word: struct.pack("=I", int(word, 0)),
    Field.PORT: lambda word: struct.pack("!H2x", int(word)),
    Field.PROTOCOL: _PROTOCOL_NUMBERS.__getitem__,
}
"""From a word of nft's language to a register, which is padded to 4 bytes."""


class ElementSocket:
    """Changes elements of these sets and maps of an inet table.

    They hold no intervals, and only fields of whole registers where a key has one part. It works in the network
    namespace that this thread was in when it was made.
    """

    def __init__(self, table: str, collections: Iterable[Collection]) -> None:
        self._table = text(_TABLE, table)
        self._collections = {collection.name: collection for collection in collections}
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)

    def takes(self, batch: Batch) -> bool:
        """Whether the batch is small, and of these collections alone."""
        return 0 < len(batch) <= LARGEST and all(
            element.collection in self._collections for element in (*batch.deletions, *batch.additions)
        )

    def run(self, batch: Batch) -> None:
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

    def _requests(self, kind: int, flags: int, elements: Iterable[Listed]) -> Iterator[Request]:
        """One request for each run of elements of the same collection."""
        for name, run in itertools.groupby(elements, key=attrgetter("collection")):
            collection = self._collections[name]
            listed = list(run)
            items = (_element(collection, one, deleted=kind == _DELETE_ELEMENTS) for one in listed)
            body = _INET_HEADER + self._table + text(_SET, name) + nested(_ELEMENTS, *items)
            verb = "delete" if kind == _DELETE_ELEMENTS else "add"
            yield Request(kind, flags, body, f"{verb} elements of {name}, such as {listed[0].key_text}")


def _element(collection: Collection, element: Listed, *, deleted: bool) -> bytes:
    key, _, value = (element.key_text if deleted else element.text).partition(" : ")
    parts = [nested(_KEY, attribute(_VALUE, _registers(collection.key, key)))]
    if value:
        parts.append(nested(_DATA, attribute(_VALUE, _registers(collection.value, value))))
    return nested(_LIST_ELEMENT, *parts)


def _registers(fields: tuple[Field, ...], words: str) -> bytes:
    return b"".join(_REGISTERS[field](word) for field, word in zip(fields, words.split(" . "), strict=True))
