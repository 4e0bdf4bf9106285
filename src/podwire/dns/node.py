"""One name of a zone with its records, and these records ready for packets."""

from __future__ import annotations

from collections.abc import Iterable, Set

import msgspec

from podwire.dns.message import QUESTION_POINTER, record
from podwire.dns.names import to_wire
from podwire.dns.records import CNAME, SRV, Data


class RecordSet(msgspec.Struct, frozen=True):
    """All records of one name and type, ready for a packet: each begins with a pointer to the question's name.

    `targets` are the names, in wire form, that SRV and CNAME records refer to.
    """

    records: tuple[bytes, ...]
    targets: tuple[bytes, ...] = ()


FEW = 8
"""Data of one type that are a tuple; more are a dict, which takes five times the memory of a single one."""


class Node:
    """One name: its data by type, the number of names right below it, and the answers made so far.

    `text` is the name where it is read back.
    """

    __slots__ = ("below", "data", "prepared", "text")

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.data: dict[int, tuple[Data, ...] | dict[Data, None]] = {}
        self.below = 0
        self.prepared: dict[int, RecordSet] | None = None

    @property
    def types(self) -> Set[int]:
        """The types of its data."""
        return self.data.keys()

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

    def records(self, kind: int, ttl: int) -> RecordSet | None:
        """The records of one type, in an order that does not depend on history."""
        ready = self.prepared.get(kind) if self.prepared is not None else None
        if ready is None and kind in self.data:
            ready = _record_set(kind, self.data[kind], ttl)
            self.prepared = (self.prepared or {}) | {kind: ready}
        return ready


def _record_set(kind: int, values: Iterable[Data], ttl: int) -> RecordSet:
    wires = sorted(data.wire() for data in values)
    targets = sorted({to_wire(data.target).lower() for data in values if isinstance(data, SRV | CNAME)})
    return RecordSet(tuple(record(QUESTION_POINTER, kind, ttl, wire) for wire in wires), tuple(targets))
