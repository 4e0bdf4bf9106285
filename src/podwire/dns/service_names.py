"""All names of one Service as one row: what its records are made of, packed. Pure.

A row for each record took 1 kB of memory; a Service with five endpoints has fourteen records. So its records are made
when one of them is requested.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from podwire.dns.kept import READY, SERVING, TERMINATING, KeptService, KeptSlice
from podwire.dns.model import NamedPort, dashed, undashed
from podwire.dns.names import reverse_name
from podwire.dns.owner import Owner
from podwire.dns.records import CNAME, PTR, SRV, Record, address_data
from podwire.kube.backends import Member, merged, receiving

PRIORITY, WEIGHT = 0, 100
"""Of every SRV record: the specification leaves them open, all endpoints are alike."""

_MEMBERS = tuple(
    Member("", ready=bool(bits & READY), serving=bool(bits & SERVING), terminating=bool(bits & TERMINATING))
    for bits in range(8)
)
"""By the bits of their conditions."""


class Hosts(msgspec.Struct, frozen=True, gc=False):
    """Endpoints of one family with the same ports: addresses of `size` bytes one behind the other.

    `labels` are their hostnames, empty for those without one; the tuple is empty where none has one.
    """

    ports: tuple[NamedPort, ...]
    size: int
    addresses: bytes
    labels: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many endpoints there are."""
        return len(self.addresses) // self.size

    def each(self) -> Iterator[tuple[str, bytes]]:
        """The label of each endpoint below the Service's name, and its address."""
        for number, address in enumerate(self.split()):
            yield self._label(number, address), address

    def split(self) -> list[bytes]:
        """The addresses."""
        size, addresses = self.size, self.addresses
        return [addresses[place : place + size] for place in range(0, len(addresses), size)]

    def named(self, label: str) -> Iterator[bytes]:
        """The addresses of the endpoints with a folded label."""
        for number, own in enumerate(self.labels):
            if own.lower() == label:
                yield self.addresses[number * self.size : (number + 1) * self.size]
        address = undashed(label, self.size)
        if address is not None:
            yield from (address for number in self._places(address) if not (self.labels and self.labels[number]))

    def labels_of(self, address: bytes) -> Iterator[str]:
        """The labels of the endpoints with an address."""
        if len(address) == self.size:
            yield from (self._label(number, address) for number in self._places(address))

    def _label(self, number: int, address: bytes) -> str:
        return (self.labels and self.labels[number]) or dashed(ipaddress.ip_address(address))

    def _places(self, address: bytes) -> Iterator[int]:
        """The numbers of the endpoints with an address."""
        place = self.addresses.find(address)
        while place >= 0:
            if place % self.size == 0:
                yield place // self.size
            place = self.addresses.find(address, place + 1)


class ServiceNames(msgspec.Struct, frozen=True, gc=False):
    """The names of a Service. The time to live is the server's choice.

    Attributes:
        owner: the Service.
        domain: the cluster domain.
        reverse: whether its addresses have PTR records.
        target: of an ExternalName; empty for all others.
        headless: whether the Service's name resolves to the endpoints.
        addresses: its own addresses, packed.
        ports: its ports.
        hosts: the endpoints that have names, in an order that does not depend on history.

    """

    owner: Owner
    domain: str
    reverse: bool = True
    target: str = ""
    headless: bool = False
    addresses: tuple[bytes, ...] = ()
    ports: tuple[NamedPort, ...] = ()
    hosts: tuple[Hosts, ...] = ()

    @property
    def key(self) -> Owner:
        """The Service."""
        return self.owner

    @property
    def stage(self) -> int:
        """All in one: a batch is taken between two queries."""
        return 0

    @property
    def name(self) -> str:
        """The Service's name, without the last dot."""
        return f"{self.owner.name}.{self.owner.namespace}.svc.{self.domain}"

    def __bool__(self) -> bool:
        """Whether there is any record."""
        return bool(self.target or self.addresses or self.hosts)

    def __str__(self) -> str:
        return "\n".join(map(str, self.records()))

    def records(self) -> Iterator[Record]:
        """All records."""
        yield from self.own()
        yield from self.below()
        for address in self.reversed():
            for name in self.names_of(address):
                yield Record(reverse_name(ipaddress.ip_address(address)), PTR(name))

    def own(self) -> Iterator[Record]:
        """The records of the Service's name itself."""
        name = self.name
        if self.target:
            yield Record(name, CNAME(self.target))
        for address in self.addresses:
            yield Record(name, address_data(ipaddress.ip_address(address)))
        for port in self.ports if self.addresses else ():
            yield Record(name, SRV(PRIORITY, WEIGHT, port.port, name))
        for hosts in self.hosts if self.headless else ():
            for label, address in hosts.each():
                yield Record(name, address_data(ipaddress.ip_address(address)))
                for port in hosts.ports:
                    yield Record(name, SRV(PRIORITY, WEIGHT, port.port, f"{label}.{name}"))

    def below(self) -> Iterator[Record]:
        """The records of names below: of ports, and of endpoints, which have names below every Service."""
        name = self.name
        for port in self.ports if self.addresses else ():
            if port.name:
                yield _of_port(name, port, name)
        for hosts in self.hosts:
            for label, address in hosts.each():
                own = f"{label}.{name}"
                yield Record(own, address_data(ipaddress.ip_address(address)))
                for port in hosts.ports if self.headless else ():
                    if port.name:
                        yield _of_port(name, port, own)

    def reversed(self) -> set[bytes]:
        """The addresses with PTR records, packed."""
        return {*self.addresses, *(one for hosts in self.hosts for one in hosts.split())} if self.reverse else set()

    def names_of(self, address: bytes) -> Iterator[str]:
        """The names of one of these addresses."""
        if address in self.addresses:
            yield self.name
        for hosts in self.hosts:
            yield from (f"{label}.{self.name}" for label in hosts.labels_of(address))


def _of_port(name: str, port: NamedPort, target: str) -> Record:
    return Record(f"_{port.name}._{port.protocol}.{name}", SRV(PRIORITY, WEIGHT, port.port, target))


def hosts_of(service: KeptService, slices: Collection[KeptSlice]) -> tuple[Hosts, ...]:
    """Return the endpoints that have names: those that connections to the Service may go to.

    They are the ready ones (all, where the Service publishes the others too), or those that serve while they
    terminate when none is ready.
    """
    forced = READY | SERVING if service.publishes else 0
    found: dict[tuple[int, tuple[NamedPort, ...], str, bytes], Member] = {}
    for piece in slices:
        size, ports, addresses = piece.size, piece.ports, piece.addresses
        for number, bits in enumerate(piece.conditions):
            label = piece.labels[number] if piece.labels else ""
            key = (size, ports, label, addresses[number * size : (number + 1) * size])
            found[key] = merged(found.get(key), _MEMBERS[bits | forced])
    return tuple(_groups(sorted(receiving(found)), {piece.addresses: piece.addresses for piece in slices}))


def _groups(
    found: Iterable[tuple[int, tuple[NamedPort, ...], str, bytes]], known: Mapping[bytes, bytes]
) -> Iterator[Hosts]:
    """The endpoints with the same ports together, with the slices' own bytes where these are the same."""
    groups: dict[tuple[int, tuple[NamedPort, ...]], list[tuple[str, bytes]]] = {}
    for size, ports, label, address in found:
        groups.setdefault((size, ports), []).append((label, address))
    for (size, ports), hosts in groups.items():
        labels = tuple([label for label, _ in hosts])
        addresses = b"".join([address for _, address in hosts])
        yield Hosts(ports, size, known.get(addresses, addresses), labels if any(labels) else ())
