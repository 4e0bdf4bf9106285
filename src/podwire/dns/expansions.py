"""Records of Services that were requested not long ago, as nodes: made from the one row of each Service."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from podwire.dns.names import parent, to_wire
from podwire.dns.node import Node
from podwire.dns.records import Record
from podwire.dns.service_names import ServiceNames

MOST_RECORDS = 8192
"""Of all that is kept, but for the newest: 4 MB."""

Nodes = Mapping[bytes, Node]


class Expansions:
    """Nodes by the wire name of their Service; what was requested longest ago makes room."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, bool], tuple[Nodes, int]] = OrderedDict()
        """By Service, and whether it is its own name or what is below."""
        self._records = 0

    def own(self, name: bytes, service: ServiceNames) -> Node:
        """The node of the Service's name itself."""
        return self._nodes(name, service, below=False)[name]

    def below(self, name: bytes, service: ServiceNames) -> Nodes:
        """The nodes of all names below that of the Service."""
        return self._nodes(name, service, below=True)

    def forget(self, name: bytes) -> None:
        """The Service changed."""
        for below in (False, True):
            self._records -= self._kept.pop((name, below), ({}, 0))[1]

    def clear(self) -> None:
        """All changed."""
        self._kept.clear()
        self._records = 0

    def _nodes(self, name: bytes, service: ServiceNames, *, below: bool) -> Nodes:
        key = (name, below)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found[0]
        made = expanded(name, service.below() if below else service.own())
        count = sum(len(values) for node in made.values() for values in node.data.values())
        self._kept[key] = made, count
        self._records += count
        while self._records > MOST_RECORDS and len(self._kept) > 1:
            self._records -= self._kept.popitem(last=False)[1][1]
        return made


def expanded(name: bytes, records: Iterable[Record]) -> Nodes:
    """These records as nodes by wire name; names between them and the Service's name exist too."""
    nodes = {name: Node()}
    for record in records:
        wire = to_wire(record.name).lower()
        while wire not in nodes:
            nodes[wire] = Node()
            wire = parent(wire)
        nodes[to_wire(record.name).lower()].add(record.data)
    return nodes
