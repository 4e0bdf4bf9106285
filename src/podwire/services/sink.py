"""Rows to the kernel: elements of services.nft's maps, flows by connection tracking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.conntrack import Conntrack, Family, Flow, FlowProtocol
from podwire.kernel.element_socket import ElementSocket
from podwire.kernel.elements import Batch, Change, Listed, batches
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Elements
from podwire.kernel.setdump import SetDump
from podwire.kernel.worker import Worker
from podwire.services.flows import EndedFlows
from podwire.services.pool_row import PoolRow, Slot
from podwire.services.readback import held_rows
from podwire.services.rows import FlowsRow, Row
from podwire.services.ruleset import TABLE, TABLE_NAME, ruleset


class Flows(Protocol):
    """What the sink needs of connection tracking."""

    def flows(self, family: Family, protocol: FlowProtocol) -> Iterable[Flow]:
        """All flows of a protocol."""
        ...

    def delete(self, flows: Iterable[Flow]) -> None:
        """Delete these entries."""
        ...


PLAIN_COLLECTIONS = frozenset(
    f"{name}{family}"
    for family in (4, 6)
    for name in (
        *("service", "outside", "nodeport", "outside_nodeport"),
        *("endpoint", "sticky", "draw"),
        *("virtual", "hairpin"),
    )
)
"""The maps and sets of services.nft that hold no intervals, and nothing that the kernel adds by itself."""


class ServiceSink:
    """The Services of the node whose network namespace this thread is in.

    A table that is loaded already is kept and read back, so that traffic does not notice a restart. `ended` receives
    how many flows a batch ended and in how many seconds, where it had to look for any. Batches that `direct` takes do
    not go to `nft`.
    """

    def __init__(
        self,
        nft: Transactions,
        elements: Elements,
        conntrack: Flows,
        ended: Callable[[int, float], None] | None = None,
        direct: ElementSocket | None = None,
    ) -> None:
        self._nft = nft
        self._direct = direct
        self._elements = elements
        self._conntrack = conntrack
        self._ended = ended
        self._worker = Worker("services", nft.release)

    @classmethod
    def here(cls, ended: Callable[[int, float], None] | None = None) -> ServiceSink:
        """The sink for the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), Conntrack(), ended, ElementSocket(TABLE_NAME, PLAIN_COLLECTIONS))

    async def read(self) -> list[Row]:
        """Return what the kernel holds; load the ruleset where it is missing. Raises SinkError and NetlinkError.

        Rows of flows are not among it: the kernel holds the flows, but not which are allowed. So they are written
        after each reading, which ends those that became wrong meanwhile.
        """
        return await self._worker.run(self._read)

    async def write(self, delta: Delta[Row]) -> None:
        """Elements in transactions of a bounded size, then the flows whose backend is gone. Raises SinkError."""
        await self._worker.run(self._write, delta)

    def _read(self) -> list[Row]:
        self._load()
        return [row for family in (4, 6) for row in held_rows(self._elements, family)]

    def _write(self, delta: Delta[Row]) -> None:
        try:
            for batch in batches(changes(delta)):
                self._run(batch)
        except NftablesError as error:
            raise SinkError(str(error)) from error
        self._end(EndedFlows(delta))

    def _run(self, batch: Batch[Listed]) -> None:
        if self._direct is not None and self._direct.takes(batch):
            self._direct.run(batch)
        else:
            self._nft.run(batch.text(TABLE))

    def _load(self) -> None:
        """A table of another release is replaced: its maps may mean something else."""
        program = ruleset()
        try:
            if program.is_loaded(self._nft):
                return
            program.load(self._nft)
        except NftablesError as error:
            raise SinkError(f"the ruleset of Services cannot be loaded: {error}") from error

    def _end(self, ended: EndedFlows) -> None:
        """Delete these flows, only them: every other one goes on."""
        started, count = time.monotonic(), 0
        for version in ended.families:
            flows = self._conntrack.flows(_FAMILIES[version], FlowProtocol.UDP)
            found = [flow for flow in flows if flow in ended]
            self._conntrack.delete(found)
            count += len(found)
        if ended.families and self._ended is not None:
            self._ended(count, time.monotonic() - started)


_FAMILIES = {4: Family.IPV4, 6: Family.IPV6}


def changes(delta: Delta[Row]) -> Iterator[Change]:
    """The elements before and after, in the order of the batch; flows are none.

    Slots that a pool loses come after all upserts: a word that refers to fewer slots is among these.
    """
    lost: list[Slot] = []
    for old, new in delta.changes():
        if isinstance(old, PoolRow) and isinstance(new, PoolRow):
            for before, after in new.changed(old):
                if after is not None:
                    yield (() if before is None else (before,)), (after,)
                elif before is not None:
                    lost.append(before)
        elif new is None:
            yield lost + _elements(old), ()
            lost = []
        else:
            yield _elements(old), _elements(new)
    if lost:
        yield lost, ()


def _elements(row: Row | None) -> list[Listed]:
    if row is None or isinstance(row, FlowsRow):
        return []
    return [*row.elements] if isinstance(row, PoolRow) else [row]
