"""Rows to the kernel: elements of services.nft's maps by libnftables, flows by connection tracking."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import memory
from podwire.kernel.conntrack import Conntrack, Family, Flow, FlowProtocol
from podwire.kernel.elements import Change, transactions
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Elements
from podwire.kernel.setdump import SetDump
from podwire.kernel.worker import Worker
from podwire.kube.backends import Backend
from podwire.services import model
from podwire.services.model import Frontend
from podwire.services.readback import held_rows
from podwire.services.rows import ElementRow, FlowRow, Row, ServiceRow
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

    A table that is loaded already is kept and read back, so that traffic does not notice a restart.
    """

    def __init__(
        self, nft: Transactions, elements: Elements, conntrack: Flows, service_ranges: Collection[str]
    ) -> None:
        self._nft = nft
        self._elements = elements
        self._conntrack = conntrack
        self._worker = Worker("services")
        self._ranges = tuple(map(ipaddress.ip_network, service_ranges))

    @classmethod
    def here(cls, service_ranges: Collection[str]) -> ServiceSink:
        """The sink for the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), Conntrack(), service_ranges)

    async def read(self) -> list[Row]:
        """Return what the kernel holds; load the ruleset where it is missing. Raises SinkError and NetlinkError."""
        return await self._worker.run(self._read)

    async def write(self, delta: Delta[Row]) -> None:
        """Elements in transactions of a bounded size, then the flows whose backend is gone. Raises SinkError."""
        await self._worker.run(self._write, delta)

    def _read(self) -> list[Row]:
        self._load()
        held: list[Row] = []
        for family in _FAMILIES:
            held.extend(held_rows(self._elements, family))
        frontends = {row.frontend for row in held if isinstance(row, ServiceRow)}
        flows = dict.fromkeys(map(_flow_row, self._datagrams(Family)))
        held.extend(row for row in flows if row.frontend in frontends or self._in_ranges(row.frontend))
        return held

    def _write(self, delta: Delta[Row]) -> None:
        try:
            for text in transactions(TABLE, _changes(delta)):
                self._nft.run(text)
        except NftablesError as error:
            raise SinkError(str(error)) from error
        self._end({row for row in delta.removals if isinstance(row, FlowRow)})

    def _load(self) -> None:
        """A table of another release is replaced: its maps may mean something else."""
        program = ruleset()
        try:
            if program.is_loaded(self._nft):
                return
            self._nft.run(program.replacement)
        except NftablesError as error:
            raise SinkError(f"the ruleset of Services cannot be loaded: {error}") from error
        memory.release()

    def _end(self, gone: Collection[FlowRow]) -> None:
        """Deletes the flows of removed rows, only them: every other flow goes on."""
        families = {_FAMILIES[row.frontend.family] for row in gone}
        self._conntrack.forget([flow for flow in self._datagrams(families) if _flow_row(flow) in gone])

    def _datagrams(self, families: Iterable[Family]) -> Iterator[Flow]:
        for family in families:
            yield from self._conntrack.flows(family, FlowProtocol.UDP)

    def _in_ranges(self, frontend: Frontend) -> bool:
        address = ipaddress.ip_address(frontend.address)
        return any(address in block for block in self._ranges)


_FAMILIES = {4: Family.IPV4, 6: Family.IPV6}


def _changes(delta: Delta[Row]) -> Iterator[Change]:
    """The elements before and after; flows are none."""
    for old, new in delta.changes():
        if not isinstance(new if new is not None else old, FlowRow):
            yield _element(old), _element(new)


def _element(row: Row | None) -> tuple[ElementRow, ...]:
    return () if row is None or isinstance(row, FlowRow) else (row,)


def _flow_row(flow: Flow) -> FlowRow:
    frontend = Frontend(flow.destination, model.Protocol.UDP, flow.destination_port)
    return FlowRow(frontend, Backend(flow.answering, flow.answering_port))
