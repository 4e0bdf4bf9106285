"""What a node's Envoy serves, to the kernel: sets of redirection.nft, which the node's agent loads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podwire.engine.element_writes import write_elements
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import nft_tables
from podwire.kernel.element_row import ElementRow
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Collection, Elements, Field, held_elements
from podwire.kernel.setdump import SetDump
from podwire.kernel.worker import Worker
from podwire.redirection.sink import TABLE, TABLE_NAME

FRONTENDS = (
    Collection("frontends4", (Field.IPV4, Field.PORT)),
    Collection("frontends6", (Field.IPV6, Field.PORT)),
    Collection("routed4", (Field.IPV4, Field.IPV4, Field.PORT)),
    Collection("routed6", (Field.IPV6, Field.IPV6, Field.PORT)),
)
"""Services with routes."""


class FrontendSink:
    """The elements of these sets, in the network namespace that this thread is in when it is made."""

    def __init__(self, nft: Transactions, elements: Elements, collections: Sequence[Collection]) -> None:
        self._nft = nft
        self._elements = elements
        self._collections = collections
        self._worker = Worker("frontends", nft.release)

    @classmethod
    def here(cls, collections: Sequence[Collection] = FRONTENDS) -> FrontendSink:
        """The sink of the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), collections)

    async def read(self) -> Iterable[ElementRow]:
        """The elements. Raises SinkError, also where the agent has not loaded the rules yet."""
        return await self._worker.run(self._read)

    async def write(self, delta: Delta[ElementRow]) -> None:
        """Add, then remove. Raises SinkError."""
        await self._worker.run(write_elements, self._nft, TABLE, delta)

    def _read(self) -> list[ElementRow]:
        try:
            if TABLE not in nft_tables.present():
                raise SinkError(f"table {TABLE} is not loaded: the agent of this node does that")
            held = held_elements(self._elements, TABLE_NAME, self._collections)
            return [ElementRow(one.collection, one.key) for one in held]
        except (NftablesError, NetlinkError) as error:
            raise SinkError(f"reading back table {TABLE}: {error}") from error
