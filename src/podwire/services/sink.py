"""Rows to the kernel: elements of services.nft's maps by libnftables, flows by connection tracking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.conntrack import Conntrack, Family, Flow, FlowProtocol
from podwire.kernel.elements import Change, transactions
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Elements
from podwire.kernel.setdump import SetDump
from podwire.kernel.worker import Worker
from podwire.services.flows import EndedFlows
from podwire.services.readback import held_rows
from podwire.services.rows import ElementRow, FlowsRow, Row
from podwire.services.ruleset import TABLE, ruleset


class Flows(Protocol):
    """What the sink needs of connection tracking."""

    def flows(self, family: Family, protocol: FlowProtocol) -> Iterable[Flow]:
        """All flows of a protocol."""
        ...

    def forget(self, flows: Iterable[Flow]) -> None:
        """Delete these entries."""
        ...


class ServiceSink:
    """The Services of the node whose network namespace this thread is in.

    A table that is loaded already is kept and read back, so that traffic does not notice a restart. `ended` receives
    how many flows a batch ended and in how many seconds, where it had to look for any.
    """

    def __init__(
        self, nft: Transactions, elements: Elements, conntrack: Flows, ended: Callable[[int, float], None] | None = None
    ) -> None:
        self._nft = nft
        self._elements = elements
        self._conntrack = conntrack
        self._ended = ended
        self._worker = Worker("services", nft.release)

    @classmethod
    def here(cls, ended: Callable[[int, float], None] | None = None) -> ServiceSink:
        """The sink for the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), Conntrack(), ended)

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
            for text in transactions(TABLE, _changes(delta)):
                self._nft.run(text)
        except NftablesError as error:
            raise SinkError(str(error)) from error
        self._end(EndedFlows(delta))

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
            self._conntrack.forget(found)
            count += len(found)
        if ended.families and self._ended is not None:
            self._ended(count, time.monotonic() - started)


_FAMILIES = {4: Family.IPV4, 6: Family.IPV6}


def _changes(delta: Delta[Row]) -> Iterator[Change]:
    """The elements before and after; flows are none."""
    for old, new in delta.changes():
        if not isinstance(new if new is not None else old, FlowsRow):
            yield _element(old), _element(new)


def _element(row: Row | None) -> tuple[ElementRow, ...]:
    return () if row is None or isinstance(row, FlowsRow) else (row,)
