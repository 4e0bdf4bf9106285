"""Which UDP flows a batch of rows ends. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import msgspec

from podwire.engine.row import Delta
from podwire.kernel.conntrack import Flow
from podwire.kube.addresses import family_of
from podwire.kube.backends import Backend
from podwire.services.rows import FlowsRow, Row


class _Decision(msgspec.Struct, frozen=True):
    """About the flows of one destination: only those to `allowed` go on, or all but those to `gone`."""

    allowed: frozenset[Backend] | None
    gone: frozenset[Backend] = frozenset()

    def ends(self, flow: Flow) -> bool:
        backend = Backend(flow.answering, flow.answering_port)
        return backend in self.gone if self.allowed is None else backend not in self.allowed


class EndedFlows:
    """The flows that a batch ends: to backends that their destination does not have any more.

    A flow that began before its destination was known has no backend, and ends too. Backends that are added
    to others end nothing: such a batch costs no listing.
    """

    def __init__(self, delta: Delta[Row]) -> None:
        self._exact: dict[tuple[str, int], _Decision] = {}
        self._ranges: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, int, _Decision]] = []
        self.families: set[int] = set()
        """Of the destinations: 4 and 6."""
        for old, new in delta.changes():
            if isinstance(new, FlowsRow):
                before = old.backends if isinstance(old, FlowsRow) else frozenset[Backend]()
                if not before or not before <= new.backends:
                    self._decide(new, _Decision(new.backends))
            elif isinstance(old, FlowsRow):
                self._decide(old, _Decision(None, old.backends))

    def __contains__(self, flow: Flow) -> bool:
        exact = self._exact.get((flow.destination, flow.destination_port))
        if exact is not None:
            return exact.ends(flow)
        # A range holds addresses of other hosts too: only flows that were translated are to node ports.
        translated = (flow.answering, flow.answering_port) != (flow.destination, flow.destination_port)
        return bool(self._ranges) and translated and any(one.ends(flow) for one in self._of_ranges(flow))

    def _decide(self, row: FlowsRow, decision: _Decision) -> None:
        self.families.add(family_of(row.destination))
        if "/" in row.destination:
            self._ranges.append((ipaddress.ip_network(row.destination), row.port, decision))
        else:
            self._exact[row.destination, row.port] = decision

    def _of_ranges(self, flow: Flow) -> Iterator[_Decision]:
        address = ipaddress.ip_address(flow.destination)
        return (one for block, port, one in self._ranges if port == flow.destination_port and address in block)
