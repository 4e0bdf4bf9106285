"""Rows: the records of the zone, by the object that they belong to. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import msgspec

from podwire.dns.model import (
    Host,
    NamedPort,
    cluster_addresses,
    external_target,
    hosts,
    is_label,
    named_ports,
)
from podwire.dns.names import IPAddress, reverse_name, reverse_zones
from podwire.dns.records import CNAME, NS, PTR, SOA, SRV, TXT, PodAddresses, Present, Record, RecordType, address_data
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

SCHEMA_VERSION = "1.1.0"
"""Of the specification that the names follow."""

LONGEST_DOMAIN = 50
"""So that `hostname.service.namespace.svc.<domain>`, three labels of 63, is always a name."""

PRIORITY, WEIGHT = 0, 100
"""Of every SRV record: the specification leaves them open, all endpoints are alike."""


class Owner(msgspec.Struct, frozen=True):
    """What records belong to: a Service, a Namespace (its `name` empty), or the domain itself (both empty)."""

    namespace: str = ""
    name: str = ""


DOMAIN = Owner()


class View(Protocol):
    """The current objects."""

    def service(self, key: NamespacedName) -> Service | None:
        """A Service, if it exists."""
        ...

    def slices(self, key: NamespacedName) -> Iterable[EndpointSlice]:
        """All slices of a Service."""
        ...

    def has_namespace(self, name: str) -> bool:
        """Whether a Namespace exists."""
        ...


DNS_SERVICE = NamespacedName("kube-system", "kube-dns")
"""The Service of the cluster's DNS where no other is configured, as kubeadm names it."""


@dataclass(frozen=True)
class Domain:
    """The cluster's domain and what of it has names. Raises ValueError for a bad name or range.

    Attributes:
        name: the domain.
        ranges: of pods and Services: their unknown reverse names are answered here.
        ttl: seconds that clients may keep records.
        service: the Service of this DNS server.
        reverse: whether addresses have PTR records.
        closed: further reverse zones that end here.
        namespaces: the only ones with names; all if empty.
        pods: whether pods have names.
        ignore_empty: whether a Service without ready endpoints has no name.

    """

    name: str
    ranges: tuple[str, ...] = ()
    ttl: int = 5
    service: NamespacedName = DNS_SERVICE
    reverse: bool = True
    closed: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    pods: bool = True
    ignore_empty: bool = False

    def __post_init__(self) -> None:
        if len(self.name) > LONGEST_DOMAIN or not all(map(is_label, self.name.split("."))):
            raise ValueError(f"cluster domain {self.name!r}: must be a DNS name of at most {LONGEST_DOMAIN} characters")
        self.reverse_zones  # noqa: B018 a bad range raises here

    @cached_property
    def reverse_zones(self) -> frozenset[str]:
        """The reverse zones that have a head here, so that their unknown names are NXDOMAIN."""
        networks = [ipaddress.ip_network(text) for text in self.ranges]
        zones = {zone for network in networks for zone in reverse_zones(network)} if self.reverse else set()
        return frozenset(zones | {zone.removesuffix(".") for zone in self.closed})

    def serves(self, namespace: str) -> bool:
        """Whether the names of a namespace are answered."""
        return is_label(namespace) and (not self.namespaces or namespace in self.namespaces)


def rows(owner: Owner, view: View, domain: Domain) -> Iterator[Record]:
    """Return all records of an owner; none where it does not exist."""
    if owner == DOMAIN:
        yield from _domain_rows(domain)
    elif not owner.name:
        if view.has_namespace(owner.namespace) and domain.serves(owner.namespace):
            yield Record(f"{owner.namespace}.svc.{domain.name}", Present())
            yield Record(f"{owner.namespace}.pod.{domain.name}", PodAddresses() if domain.pods else Present())
    else:
        key = NamespacedName(owner.namespace, owner.name)
        service = view.service(key)
        if service is not None and is_label(owner.name) and domain.serves(owner.namespace):
            name = f"{owner.name}.{owner.namespace}.svc.{domain.name}"
            found = _service_rows(name, service, view.slices(key), ignore_empty=domain.ignore_empty)
            yield from found if domain.reverse else (row for row in found if row.data.type != RecordType.PTR)


def _domain_rows(domain: Domain) -> Iterator[Record]:
    """The heads of the zones. The serial number never changes: there are no zone transfers."""
    server = f"{domain.service.name}.{domain.service.namespace}.svc.{domain.name}"
    head = SOA(server, f"hostmaster.{domain.name}", minimum=domain.ttl)
    for zone in (domain.name, *domain.reverse_zones):
        yield Record(zone, head)
        yield Record(zone, NS(server))
    yield Record(f"dns-version.{domain.name}", TXT(SCHEMA_VERSION))


def _service_rows(
    name: str, service: Service, slices: Iterable[EndpointSlice], *, ignore_empty: bool
) -> Iterator[Record]:
    if service.spec.type == "ExternalName":
        target = external_target(service)
        if target is not None:
            yield Record(name, CNAME(target))
        return
    ready = hosts(service, slices)
    if ignore_empty and not ready:
        return
    for address in cluster_addresses(service):
        yield from _named_address(name, address)
        for port in service.spec.ports:
            yield Record(name, SRV(PRIORITY, WEIGHT, port.port, name))
        for named in named_ports(service):
            yield _port_row(name, named, name)
    for host in ready:
        yield from _host_rows(name, host, headless=service.headless)


def _host_rows(name: str, host: Host, *, headless: bool) -> Iterator[Record]:
    """An endpoint has a name of its own below every Service; a headless one answers with it besides."""
    own = f"{host.label}.{name}"
    yield from _named_address(own, host.address)
    if headless:
        yield Record(name, address_data(host.address))
        for port in host.ports:
            yield _port_row(name, port, own)
            yield Record(name, SRV(PRIORITY, WEIGHT, port.port, own))


def _named_address(name: str, address: IPAddress) -> tuple[Record, Record]:
    """The way from the name to the address, and back."""
    return Record(name, address_data(address)), Record(reverse_name(address), PTR(name))


def _port_row(name: str, port: NamedPort, target: str) -> Record:
    return Record(f"_{port.name}._{port.protocol}.{name}", SRV(PRIORITY, WEIGHT, port.port, target))
