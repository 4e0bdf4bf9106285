"""The zone in memory: what the engine writes rows to and the server answers from."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from podwire.dns.message import QUESTION_POINTER, record
from podwire.dns.names import ROOT, parent, suffixes, to_wire
from podwire.dns.records import CNAME, SRV, Data, Record, RecordType
from podwire.engine.row import Delta


class RecordSet(msgspec.Struct, frozen=True):
    """All records of one name and type, ready for a packet: each begins with a pointer to the question's name.

    `targets` are the names, in wire form, that SRV and CNAME records lead to.
    """

    records: tuple[bytes, ...]
    targets: tuple[bytes, ...] = ()


FEW = 8
"""Data of one type that are a tuple; more are a dict, which takes five times the memory of a single one."""


class Node:
    """One name: its data by type, the number of names right below it, and the answers made so far."""

    __slots__ = ("below", "data", "prepared", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data: dict[int, tuple[Data, ...] | dict[Data, None]] = {}
        self.below = 0
        self.prepared: dict[int, RecordSet] | None = None

    def add(self, data: Data) -> None:
        """Hold this too."""
        held = self.data.get(data.type, ())
        if data in held:
            return
        if isinstance(held, dict):
            held[data] = None
        else:
            self.data[data.type] = (*held, data) if len(held) < FEW else dict.fromkeys((*held, data))
        self.prepared = None

    def discard(self, data: Data) -> bool:
        """Hold this no longer; whether it was held."""
        held = self.data.get(data.type, ())
        if data not in held:
            return False
        if isinstance(held, dict):
            del held[data]
        else:
            self.data[data.type] = tuple(one for one in held if one != data)
        if not self.data[data.type]:
            del self.data[data.type]
        self.prepared = None
        return True


class Zone:
    """Names and their records, indexed by folded wire name; also the names that exist only through others below them.

    A write costs what it changes. Answers are put together at the first question after a change and then kept.
    """

    def __init__(self, ttl: int = 5, changed: Callable[[], None] = lambda: None) -> None:
        self._ttl = ttl
        self._changed = changed
        self._nodes: dict[bytes, Node] = {}

    def live(self, ttl: int) -> None:
        """Give all records this time to live from now on, in seconds."""
        if ttl != self._ttl:
            self._ttl = ttl
            for node in self._nodes.values():
                node.prepared = None
            self._changed()

    async def read(self) -> list[Record]:
        """All records held."""
        return [
            Record(node.text, data) for node in self._nodes.values() for values in node.data.values() for data in values
        ]

    async def write(self, delta: Delta[Record]) -> None:
        """Take a batch."""
        self.put(delta)

    def put(self, delta: Delta[Record]) -> None:
        """Take a batch; as nothing is awaited, a query sees all of it or nothing. `changed` is called after it."""
        for row in delta.upserts:
            self._add(row)
        for row in delta.removals:
            self._remove(row)
        self._changed()

    def find(self, name: bytes) -> Node | None:
        """The node of a folded wire name; None: no such name."""
        return self._nodes.get(name)

    def apex(self, name: bytes) -> bytes | None:
        """The nearest name at or above this one that heads a zone of ours; None: the name is not ours to answer."""
        for _, tail in suffixes(name):
            node = self._nodes.get(tail)
            if node is not None and RecordType.SOA in node.data:
                return tail
        return None

    def records(self, node: Node, kind: int) -> RecordSet | None:
        """The records of one type, in an order that does not depend on history."""
        ready = node.prepared.get(kind) if node.prepared is not None else None
        if ready is None and kind in node.data:
            ready = self._prepare(kind, node.data[kind])
            node.prepared = (node.prepared or {}) | {kind: ready}
        return ready

    def _prepare(self, kind: int, values: Iterable[Data]) -> RecordSet:
        wires = sorted(data.wire() for data in values)
        targets = sorted({to_wire(data.target).lower() for data in values if isinstance(data, SRV | CNAME)})
        return RecordSet(tuple(record(QUESTION_POINTER, kind, self._ttl, wire) for wire in wires), tuple(targets))

    def _add(self, row: Record) -> None:
        self._make(to_wire(row.name).lower(), row.name).add(row.data)

    def _make(self, name: bytes, text: str) -> Node:
        """The node of this name; those above it that are missing are made too."""
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = Node(text)
            if name != ROOT:
                self._make(parent(name), text.partition(".")[2]).below += 1
        return node

    def _remove(self, row: Record) -> None:
        name = to_wire(row.name).lower()
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
