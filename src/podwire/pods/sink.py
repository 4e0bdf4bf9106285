"""pods.nft, with an overlay vxlan.nft too, in the kernel: loaded once, the elements read back and changed."""

from __future__ import annotations

import errno
import ipaddress
import threading
from collections.abc import Iterable, Iterator
from importlib import resources

from podwire.engine.element_writes import write_elements
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import CHANGES_A_TRANSACTION, Part, Range, commands
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Collection, Elements, Field, held_elements
from podwire.kernel.ruleset import Ruleset
from podwire.kernel.setdump import SetDump
from podwire.kernel.worker import Worker

TABLE_NAME = "podwire-pods"
TABLE = f"inet {TABLE_NAME}"
_ARP_TABLE = "arp podwire-pods"
_ADDRESS = {4: Field.IPV4, 6: Field.IPV6}

SOURCES = tuple(Collection(f"sources{version}", (Field.INTERFACE, field)) for version, field in _ADDRESS.items())
"""The sets that follow local attachments."""


_loading = threading.Lock()
"""Sinks of one table have a thread each: one that found no rules must not replace what another has written since."""


def cluster_sets(*, overlay: bool) -> tuple[Collection, ...]:
    """The sets that follow the cluster's Nodes; those of vxlan.nft exist with an overlay only."""
    names = ("ranges", "nodes", "servers", "access", *(("tunnelled", "neighbours", "peers") if overlay else ()))
    by_address = (
        Collection(f"{name}{version}", (field,), interval=name in {"ranges", "access", "tunnelled", "neighbours"})
        for name in names
        for version, field in _ADDRESS.items()
    )
    return (*by_address, *((Collection("ports", (Field.PORT,)),) if overlay else ()))


def load(nft: Transactions, elements: Elements, *, overlay: bool) -> None:
    """Load the rules where just this release of them is not loaded: traffic never stops. Raises NftablesError.

    Another release, also the one with or without an overlay, is replaced in one transaction that takes the elements
    over, the pods' sources first: no packet meets empty sets. What does not fit into it follows with the next batch.
    """
    texts = map(resources.files("podwire.pods").joinpath, ("pods.nft", *(("vxlan.nft",) if overlay else ())))
    ruleset = Ruleset((TABLE, _ARP_TABLE), "\n".join(text.read_text() for text in texts))
    with _loading:
        if ruleset.is_loaded(nft):
            return
        every = (*SOURCES, *cluster_sets(overlay=overlay))
        rows = [row for collection in every for row in _present(elements, collection)]
        kept = [row.element for row in rows[:CHANGES_A_TRANSACTION]]
        ruleset.load(nft, commands(TABLE, "add", kept))


class PodSetSink:
    """Some of the sets of the pods' rules. All sinks of one node must agree on the overlay."""

    def __init__(
        self, nft: Transactions, elements: Elements, collections: tuple[Collection, ...], overlay: bool
    ) -> None:
        self._nft = nft
        self._elements = elements
        self._collections = collections
        self._overlay = overlay
        self._worker = Worker("pods", nft.release)

    @classmethod
    def sources_here(cls, *, overlay: bool = False) -> PodSetSink:
        """The sink of local attachments for the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), SOURCES, overlay)

    @classmethod
    def cluster_here(cls, *, overlay: bool = False) -> PodSetSink:
        """The sink of the cluster's Nodes for the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), cluster_sets(overlay=overlay), overlay)

    async def read(self) -> Iterable[ElementRow]:
        """The elements of these sets. Loads the rules where they are not loaded. Raises SinkError."""
        return await self._worker.run(self._read)

    async def write(self, delta: Delta[ElementRow]) -> None:
        """Add, then remove. Raises SinkError."""
        await self._worker.run(write_elements, self._nft, TABLE, delta)

    async def holds(self, row: ElementRow) -> bool:
        """Whether the kernel has this element now."""
        return await self._worker.run(self._holds, row)

    def _read(self) -> list[ElementRow]:
        try:
            load(self._nft, self._elements, overlay=self._overlay)
            return list(_rows(self._elements, self._collections))
        except (NftablesError, NetlinkError) as error:
            raise SinkError(f"reading back table {TABLE}: {error}") from error

    def _holds(self, row: ElementRow) -> bool:
        try:
            self._nft.run(f"get element {TABLE} {row.collection} {{ {row.element.text} }}")
        except NftablesError:
            return False
        return True


def _present(elements: Elements, collection: Collection) -> list[ElementRow]:
    """The elements of a set; none where the table or the set does not exist."""
    try:
        return list(_rows(elements, (collection,)))
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return []
        raise


def _rows(elements: Elements, collections: Iterable[Collection]) -> Iterator[ElementRow]:
    intervals = {collection.name for collection in collections if collection.interval}
    for element in held_elements(elements, TABLE_NAME, collections):
        parts = tuple(map(_network, element.key)) if element.collection in intervals else element.key
        yield ElementRow(element.collection, parts)


def _network(part: Part) -> Part:
    """A pod range as a network: rows have no other intervals."""
    first, last = (part.first, part.last) if isinstance(part, Range) else (part, part)
    assert isinstance(first, ipaddress.IPv4Address | ipaddress.IPv6Address), "these sets hold addresses"
    return ipaddress.ip_network((first, first.max_prefixlen - (int(last) ^ int(first)).bit_length()))  # type: ignore[arg-type]
