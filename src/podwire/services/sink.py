"""Rows to the kernel: elements of services.nft's maps by libnftables, flows by connection tracking."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.conntrack import Family, Flow, FlowProtocol
from podwire.kernel.elements import Element, Part, Range, transactions
from podwire.kernel.listing import held_elements, table_exists
from podwire.kernel.nftables import Nftables, NftablesError
from podwire.services import model
from podwire.services.model import Backend, Frontend
from podwire.services.rows import ElementRow, EndpointRow, FlowRow, MemberRow, Members, Row, ServiceRow
from podwire.services.ruleset import TABLE, ruleset

COLLECTIONS = tuple(
    (kind, f"{name}{family}")
    for kind, names in (("map", ("service", "endpoint")), ("set", tuple(Members)))
    for name in names
    for family in (4, 6)
)


class Flows(Protocol):
    """What the sink needs of connection tracking."""

    def flows(self, family: Family, protocol: FlowProtocol) -> Iterable[Flow]:
        """All flows of a protocol."""
        ...

    def forget(self, flows: Iterable[Flow]) -> None:
        """Delete these entries."""
        ...


class KernelSink:
    """The Services of the node whose network namespace this thread is in.

    A table that stands already is kept and read back, so that traffic does not notice a restart.
    """

    def __init__(self, nft: Nftables, conntrack: Flows, service_ranges: Collection[str]) -> None:
        self._nft = nft
        self._conntrack = conntrack
        self._ranges = tuple(map(ipaddress.ip_network, service_ranges))

    async def read(self) -> list[Row]:
        """What stands in the kernel; the table is loaded where it is missing. Raises SinkError."""
        try:
            if not table_exists(self._nft, TABLE):
                self._nft.run(ruleset())
            held: list[Row] = [_row(element) for element in await held_elements(TABLE, COLLECTIONS)]
        except NftablesError as error:
            raise SinkError(str(error)) from error
        frontends = {row.frontend for row in held if isinstance(row, ServiceRow)}
        flows = dict.fromkeys(map(_flow_row, self._datagrams(Family)))
        held.extend(row for row in flows if row.frontend in frontends or self._in_ranges(row.frontend))
        return held

    async def write(self, delta: Delta[Row]) -> None:
        """Elements in transactions of a bounded size, then the flows whose backend is gone. Raises SinkError."""
        batch = transactions(TABLE, _elements(delta.removals), _elements(delta.upserts), _elements(delta.replaced))
        try:
            for transaction in batch:
                self._nft.run(transaction)
                await asyncio.sleep(0)
        except NftablesError as error:
            raise SinkError(str(error)) from error
        self._end({row for row in delta.removals if isinstance(row, FlowRow)})

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


def _elements(rows: Iterable[Row]) -> list[ElementRow]:
    return [row for row in rows if not isinstance(row, FlowRow)]


def _flow_row(flow: Flow) -> FlowRow:
    frontend = Frontend(flow.destination, model.Protocol.UDP, flow.destination_port)
    return FlowRow(frontend, Backend(flow.answering, flow.answering_port))


def _row(element: Element) -> ElementRow:
    """The row that an element of the table was made from."""
    match element.collection[:-1], element.key, element.value:
        case "service", (address, protocol, int(port)), (int(slots),):
            return ServiceRow(_frontend(address, protocol, port), slots)
        case "endpoint", (address, protocol, int(port), int(slot)), (to, int(to_port)):
            return EndpointRow(_frontend(address, protocol, port), slot, Backend(str(to), to_port))
        case "hairpin", (address, _), ():
            return MemberRow(Members.HAIRPIN, str(address))
        case "cluster", (address,), ():
            return MemberRow(Members.CLUSTER, str(address))
        case "range", (Range() as block,), ():
            return MemberRow(Members.RANGE, _network(block))
        case _:
            raise NftablesError(f"table {TABLE} holds an element that podwire did not write: {element}")


def _frontend(address: Part, protocol: Part, port: int) -> Frontend:
    return Frontend(str(address), model.Protocol(str(protocol)), port)


def _network(block: Range) -> str:
    """The network that the range is: podwire writes no other ranges."""
    first, last = ipaddress.ip_address(block.first), ipaddress.ip_address(block.last)
    bits = (int(first) ^ int(last)).bit_length()
    return str(ipaddress.ip_network(f"{first}/{first.max_prefixlen - bits}"))
