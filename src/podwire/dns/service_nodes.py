"""The names of one Service as nodes: which types each has, and their records when they are requested. Pure.

A node costs what its own records are, not what the Service has: one of 5,000 endpoints is found in microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

from podwire.dns.message import QUESTION_POINTER, record
from podwire.dns.model import NamedPort
from podwire.dns.names import to_wire
from podwire.dns.node import RecordSet
from podwire.dns.records import RecordType
from podwire.dns.service_names import PRIORITY, WEIGHT, ServiceNames

ADDRESS_TYPES = {4: RecordType.A, 16: RecordType.AAAA}
"""By the bytes of an address."""
_SRV = struct.Struct("!HHH")

Found = tuple[list[bytes], list[bytes]]
"""The data of records as in packets, and the names in wire form that they refer to."""


class ServiceNode:
    """One name: the types of its records, and what makes them. `weight` is about how many records it has."""

    __slots__ = ("_make", "_prepared", "types", "weight")

    def __init__(self, types: frozenset[int], make: Callable[[int], Found], weight: int = 1) -> None:
        self.types = types
        self.weight = weight
        self._make = make
        self._prepared: dict[int, RecordSet] = {}

    def records(self, kind: int, ttl: int) -> RecordSet | None:
        """The records of one type, in an order that does not depend on history."""
        ready = self._prepared.get(kind)
        if ready is None and kind in self.types:
            data, targets = self._make(kind)
            records = tuple([record(QUESTION_POINTER, kind, ttl, one) for one in sorted(set(data))])
            ready = self._prepared[kind] = RecordSet(records, tuple(sorted(set(targets))))
        return ready


def service_node(names: ServiceNames, labels: Sequence[str]) -> ServiceNode | None:
    """The node of a Service's own name, of one label below it or of two, all folded; None where there is none."""
    match labels:
        case []:
            return _own(names)
        case [label]:
            return _one_below(names, label)
        case [port, protocol]:
            return _of_port(names, port, protocol)
        case _:
            return None


def _own(names: ServiceNames) -> ServiceNode:
    hosts = names.hosts if names.headless else ()
    types = {ADDRESS_TYPES[len(one)] for one in names.addresses} | {ADDRESS_TYPES[one.size] for one in hosts}
    if (names.addresses and names.ports) or any(one.ports for one in hosts):
        types.add(RecordType.SRV)
    if names.target:
        types.add(RecordType.CNAME)

    def make(kind: int) -> Found:
        if kind == RecordType.CNAME:
            return [to_wire(names.target)], [to_wire(names.target).lower()]
        if kind == RecordType.SRV:
            return _services(names, lambda _: True)
        found = [one for one in names.addresses if ADDRESS_TYPES[len(one)] == kind]
        for one in hosts:
            found += one.split() if ADDRESS_TYPES[one.size] == kind else ()
        return found, []

    return ServiceNode(frozenset(types), make, 1 + sum(one.count for one in hosts))


def _one_below(names: ServiceNames, label: str) -> ServiceNode | None:
    """An endpoint, or the protocol of a port."""
    found = {one for hosts in names.hosts for one in hosts.named(label)}
    if not found and not any(f"_{port.protocol}" == label for port in _named_ports(names)):
        return None
    types = frozenset(ADDRESS_TYPES[len(one)] for one in found)
    return ServiceNode(types, lambda kind: ([one for one in found if ADDRESS_TYPES[len(one)] == kind], []))


def _of_port(names: ServiceNames, port: str, protocol: str) -> ServiceNode | None:
    def is_it(one: NamedPort) -> bool:
        return bool(one.name) and f"_{one.name.lower()}" == port and f"_{one.protocol}" == protocol

    if not any(map(is_it, _named_ports(names))):
        return None
    hosts = names.hosts if names.headless else ()
    weight = 1 + sum(one.count for one in hosts)
    return ServiceNode(frozenset((RecordType.SRV,)), lambda _: _services(names, is_it), weight)


def _named_ports(names: ServiceNames) -> Iterator[NamedPort]:
    """The ports that have names of their own."""
    if names.addresses:
        yield from (one for one in names.ports if one.name)
    for hosts in names.hosts if names.headless else ():
        yield from (one for one in hosts.ports if one.name)


def _services(names: ServiceNames, desired: Callable[[NamedPort], bool]) -> Found:
    """The SRV records of these ports."""
    data: list[bytes] = []
    targets: list[bytes] = []
    own = to_wire(names.name)
    for port in names.ports if names.addresses else ():
        if desired(port):
            data.append(_SRV.pack(PRIORITY, WEIGHT, port.port) + own)
            targets.append(own.lower())
    for hosts in names.hosts if names.headless else ():
        heads = [_SRV.pack(PRIORITY, WEIGHT, port.port) for port in hosts.ports if desired(port)]
        for label, _ in hosts.each() if heads else ():
            target = bytes((len(label),)) + label.encode() + own
            data += [head + target for head in heads]
            targets.append(target.lower())
    return data, targets
