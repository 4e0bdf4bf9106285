"""The zone in memory: what the engine writes rows to and the server answers from."""

from __future__ import annotations

from collections.abc import Callable

from podwire.dns.expansions import Expansions
from podwire.dns.names import ROOT, labels, parent, suffixes, to_wire
from podwire.dns.node import Node, RecordSet
from podwire.dns.records import PTR, Record, RecordType
from podwire.dns.reverse_index import ReverseIndex
from podwire.dns.rows import Row
from podwire.dns.service_names import ServiceNames
from podwire.dns.service_nodes import ServiceNode
from podwire.engine.row import Delta

ARPA = to_wire("arpa")
"""The end of reverse names."""

Found = Node | ServiceNode
"""A name that exists."""


class Zone:
    """Names and their records, indexed by folded wire name; also the names that exist only through others below them.

    A write costs what it changes. Of a Service one row is held: its records are made when one of them is requested, and
    kept while others are not requested more often. Answers too are put together at the first question after a change.
    """

    def __init__(self, ttl: int = 5, changed: Callable[[], None] = lambda: None) -> None:
        self._ttl = ttl
        self._changed = changed
        self._nodes: dict[bytes, Node] = {}
        self._services: dict[bytes, ServiceNames] = {}
        self._reverse = ReverseIndex()
        self._expansions = Expansions()

    def live(self, ttl: int) -> None:
        """Give all records this time to live from now on, in seconds."""
        if ttl != self._ttl:
            self._ttl = ttl
            self._expansions.clear()
            for node in self._nodes.values():
                node.prepared = None
            self._changed()

    async def read(self) -> list[Row]:
        """All rows held."""
        held: list[Row] = list(self._services.values())
        for node in self._nodes.values():
            held += (Record(node.text, data) for values in node.data.values() for data in values)
        return held

    async def write(self, delta: Delta[Row]) -> None:
        """Take a batch."""
        self.put(delta)

    def put(self, delta: Delta[Row]) -> None:
        """Take a batch; as nothing is awaited, a query sees all of it or nothing. `changed` is called after it."""
        for old, new in delta.changes():
            if isinstance(old, ServiceNames) and (new is None or _wire(old) != _wire(new)):
                self._remove_service(old)
            elif isinstance(old, Record) and new is None:
                self._remove(old)
            if isinstance(new, ServiceNames):
                self._hold_service(new)
            elif new is not None:
                self._make(_wire(new), new.name).add(new.data)
        self._changed()

    def find(self, name: bytes) -> Found | None:
        """The node of a folded wire name; None: no such name."""
        node = self._nodes.get(name)
        if node is not None or not self._services:
            return node
        return self._of_service(name) or (self._reversed(name) if name.endswith(ARPA) else None)

    def own(self, name: bytes) -> Node | None:
        """The node of a name that is no Service's: of a zone's head, of a Namespace."""
        return self._nodes.get(name)

    def apex(self, name: bytes) -> bytes | None:
        """The nearest name at or above this one that heads a zone of ours; None: the name is not ours to answer."""
        for _, tail in suffixes(name):
            node = self._nodes.get(tail)
            if node is not None and RecordType.SOA in node.data:
                return tail
        return None

    def records(self, node: Found, kind: int) -> RecordSet | None:
        """The records of one type, in an order that does not depend on history."""
        return node.records(kind, self._ttl)

    def _of_service(self, name: bytes) -> ServiceNode | None:
        """The node of a Service, of an endpoint or a protocol below it, or of a port two labels below."""
        above, services = name, self._services
        for depth in range(3):
            if above in services:
                before = [one.decode("latin-1") for one in labels(name)[:depth]]
                return self._expansions.find(above, services[above], before)
            above = above[1 + above[0] :]  # of the root nothing is left
            if not above:
                break
        return None

    def _reversed(self, name: bytes) -> Node | None:
        """The node of an address, or of a name above addresses."""
        address = self._reverse.address(name)
        node = Node()
        if address is not None:
            for service in self._reverse.services(address):
                for text in self._services[service].names_of(address):
                    node.add(PTR(text))
        return node if node.data or self._reverse.has_addresses_below(name) else None

    def _hold_service(self, row: ServiceNames) -> None:
        """Hold this row, in place of the one before; only addresses that differ cost anything."""
        name = _wire(row)
        held = self._services.get(name)
        if held is None:
            self._make(parent(name), row.name.partition(".")[2]).below += 1
        before = held.reversed() if held is not None else frozenset[bytes]()
        self._services[name] = row
        self._expansions.remove(name)
        self._reverse.replace(name, before, row.reversed())

    def _remove_service(self, row: ServiceNames) -> None:
        name = _wire(row)
        held = self._services.pop(name, None)
        if held is not None:
            self._expansions.remove(name)
            self._reverse.replace(name, held.reversed(), frozenset())
            self._nodes[parent(name)].below -= 1
            self._drop_empty(parent(name))

    def _make(self, name: bytes, text: str) -> Node:
        """The node of this name; those above it that are missing are made too."""
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Node(text)
            if name != ROOT:
                self._make(parent(name), text.partition(".")[2]).below += 1
        return node

    def _remove(self, row: Record) -> None:
        name = _wire(row)
        node = self._nodes.get(name)
        if node is not None and node.discard(row.data):
            self._drop_empty(name)

    def _drop_empty(self, name: bytes) -> None:
        """A name without data and without names below it does not exist, nor do those that only it held up."""
        while (node := self._nodes.get(name)) is not None and not node.data and not node.below:
            del self._nodes[name]
            if name == ROOT:
                return
            name = parent(name)
            self._nodes[name].below -= 1


def _wire(row: Row) -> bytes:
    return to_wire(row.name).lower()
