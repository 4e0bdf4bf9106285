"""Rows: the records of the zone, by the object that they belong to. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from podwire.dns.kept import KeptService, KeptSlice
from podwire.dns.model import is_label
from podwire.dns.names import reverse_zones
from podwire.dns.owner import DOMAIN, Owner
from podwire.dns.records import NS, SOA, TXT, PodAddresses, Present, Record
from podwire.dns.service_names import ServiceNames, hosts_of
from podwire.kube.meta import NamespacedName

SCHEMA_VERSION = "1.1.0"
"""Of the specification that the names follow."""

LONGEST_DOMAIN = 50
"""So that `hostname.service.namespace.svc.<domain>`, three labels of 63, is always a name."""

Row = Record | ServiceNames


class View(Protocol):
    """The current objects."""

    def service(self, key: NamespacedName) -> KeptService | None:
        """A Service, if it exists."""
        ...

    def slices(self, key: NamespacedName) -> Collection[KeptSlice]:
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


def rows(owner: Owner, view: View, domain: Domain) -> Iterator[Row]:
    """Return all rows of an owner; none where it does not exist."""
    if owner == DOMAIN:
        yield from _domain_rows(domain)
    elif not owner.name:
        if view.has_namespace(owner.namespace) and domain.serves(owner.namespace):
            yield Record(f"{owner.namespace}.svc.{domain.name}", Present())
            yield Record(f"{owner.namespace}.pod.{domain.name}", PodAddresses() if domain.pods else Present())
    else:
        service = view.service(NamespacedName(owner.namespace, owner.name))
        if service is not None and is_label(owner.name) and domain.serves(owner.namespace):
            names = _service_names(owner, service, view, domain)
            if names and not (domain.ignore_empty and service.target is None and not names.hosts):
                yield names


def records(owner: Owner, view: View, domain: Domain) -> Iterator[Record]:
    """Return all records of an owner, one by one."""
    for row in rows(owner, view, domain):
        yield from (row,) if isinstance(row, Record) else row.records()


def _domain_rows(domain: Domain) -> Iterator[Record]:
    """The heads of the zones. The serial number never changes: there are no zone transfers."""
    server = f"{domain.service.name}.{domain.service.namespace}.svc.{domain.name}"
    head = SOA(server, f"hostmaster.{domain.name}", minimum=domain.ttl)
    for zone in (domain.name, *domain.reverse_zones):
        yield Record(zone, head)
        yield Record(zone, NS(server))
    yield Record(f"dns-version.{domain.name}", TXT(SCHEMA_VERSION))


def _service_names(owner: Owner, service: KeptService, view: View, domain: Domain) -> ServiceNames:
    if service.target is not None:
        return ServiceNames(owner, domain.name, domain.reverse, service.target)
    return ServiceNames(
        owner,
        domain.name,
        domain.reverse,
        headless=service.headless,
        addresses=service.addresses,
        ports=service.ports,
        hosts=hosts_of(service, view.slices(service.key)),
    )
