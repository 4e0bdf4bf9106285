"""Rows to the kernel: the elements of egress.nft, which is loaded with the first of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from importlib import resources

from podwire.engine.element_writes import write_elements
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import nft_tables
from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import Part, Range
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Collection, Elements, Field, held_elements
from podwire.kernel.ruleset import Ruleset
from podwire.kernel.setdump import SetDump
from podwire.kernel.worker import Worker

TABLE_NAME = "podwire-egress"
TABLE = f"inet {TABLE_NAME}"


def _collections() -> Iterable[Collection]:
    for version, field in ((4, Field.IPV4), (6, Field.IPV6)):
        yield Collection(f"ranges{version}", (field,), interval=True)
        yield Collection(f"services{version}", (field,), interval=True)
        yield Collection(f"nodes{version}", (field,))
        yield Collection(f"addresses{version}", (field,))
        yield Collection(f"leaving{version}", (field, field), (field,), interval=True)
        yield Collection(f"through{version}", (field, field), interval=True)


COLLECTIONS = tuple(_collections())
_RANGES = frozenset({"ranges4", "ranges6", "services4", "services6"})
"""Sets whose elements are ranges; in the others of intervals a range comes after a pod's address."""


def is_loaded() -> bool:
    """Whether the rules are loaded in this network namespace, in any release. Raises NetlinkError."""
    return TABLE in nft_tables.present()


class ElementSink:
    """The elements of the network namespace that this thread is in when it is made."""

    def __init__(self, nft: Transactions, elements: Elements) -> None:
        self._nft = nft
        self._elements = elements
        self._worker = Worker("egress", nft.release)

    @classmethod
    def here(cls) -> ElementSink:
        """The sink of the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump())

    async def read(self) -> Iterable[ElementRow]:
        """The elements. Loads the rules where they are not loaded. Raises SinkError."""
        return await self._worker.run(self._read)

    async def write(self, delta: Delta[ElementRow]) -> None:
        """Add, then remove. Raises SinkError."""
        await self._worker.run(write_elements, self._nft, TABLE, delta)

    def _read(self) -> list[ElementRow]:
        try:
            text = resources.files("podwire.egress").joinpath("egress.nft").read_text()
            ruleset = Ruleset((TABLE,), text)
            if not ruleset.is_loaded(self._nft):
                ruleset.load(self._nft)
            held = held_elements(self._elements, TABLE_NAME, COLLECTIONS)
            return [ElementRow(one.collection, _key(one.collection, one.key), one.value) for one in held]
        except (NftablesError, NetlinkError) as error:
            raise SinkError(f"reading back table {TABLE}: {error}") from error


def _key(collection: str, key: tuple[Part, ...]) -> tuple[Part, ...]:
    """A key as rows have it: destinations and ranges are networks."""
    if collection in _RANGES or len(key) == 2:
        return (*key[:-1], _network(key[-1]))
    return key


def _network(part: Part) -> Part:
    first, last = (part.first, part.last) if isinstance(part, Range) else (part, part)
    assert isinstance(first, ipaddress.IPv4Address | ipaddress.IPv6Address), "these sets hold addresses"
    return ipaddress.ip_network((first, first.max_prefixlen - (int(last) ^ int(first)).bit_length()))  # type: ignore[arg-type]
