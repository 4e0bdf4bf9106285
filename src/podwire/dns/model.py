"""What Services and their endpoints mean to a DNS server. Pure.

Sources: kubernetes/dns `docs/specification.md` (schema 1.1.0), discovery/v1 (EndpointSlice), CoreDNS plugin kubernetes.
Objects are hostile input here too: what is no address or no label gives no name, and never an error.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from podwire.dns.names import LONGEST_NAME, IPAddress
from podwire.kube.core import Service
from podwire.kube.discovery import EndpointSlice

_LABEL = re.compile(r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?", re.IGNORECASE)
LONGEST_EXTERNAL_NAME = LONGEST_NAME - 2


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port that SRV records name. Protocol in lower case."""

    name: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Host:
    """One ready endpoint: the first label of its name below the Service's, its address, its named ports."""

    label: str
    address: IPAddress
    ports: tuple[NamedPort, ...]


def is_label(text: str) -> bool:
    """Whether this may stand between two dots of a name: letters, digits, `-`, `_`; 1 to 63 of them."""
    return _LABEL.fullmatch(text) is not None


def external_target(service: Service) -> str | None:
    """The name that an ExternalName Service stands for, without the last dot; None where it is no name."""
    name = service.spec.external_name.removesuffix(".")
    if len(name) <= LONGEST_EXTERNAL_NAME and all(map(is_label, name.split("."))):
        return name
    return None


def cluster_addresses(service: Service) -> Iterator[IPAddress]:
    """The Service's own addresses, of both families."""
    for text in service.addresses:
        address = usable_address(text)
        if address is not None:
            yield address


def named_ports(service: Service) -> tuple[NamedPort, ...]:
    """The ports of a Service that have a name; others have no SRV record."""
    return tuple(
        NamedPort(port.name, port.protocol.lower(), port.port) for port in service.spec.ports if is_label(port.name)
    )


def hosts(service: Service, slices: Iterable[EndpointSlice]) -> frozenset[Host]:
    """The endpoints that have names: ready ones, or all where the Service publishes the others too."""
    everyone = service.spec.publish_not_ready_addresses
    found = set()
    for part in slices:
        ports = tuple(
            NamedPort(port.name, port.protocol.lower(), port.port)
            for port in part.ports
            if port.port is not None and is_label(port.name)
        )
        for endpoint in part.endpoints:
            address = usable_address(endpoint.addresses[0]) if endpoint.addresses else None
            if address is not None and (endpoint.ready or everyone):
                label = endpoint.hostname if is_label(endpoint.hostname) else dashed(address)
                found.add(Host(label, address, ports))
    return frozenset(found)


def dashed(address: IPAddress) -> str:
    """The label that stands for an address where an endpoint has no hostname: `10-244-1-2`, `fd00-10-244--1`.

    A label may not begin or end with a dash, which only short forms such as `::1` or `fd00::` would: they are
    written in full.
    """
    text = str(address)
    if text.startswith(":") or text.endswith(":"):
        text = address.exploded
    return text.replace(".", "-").replace(":", "-")


def usable_address(text: str) -> IPAddress | None:
    """The address, unless it is none or one that would lead a client to itself or to everybody (CVE-2021-25737)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address.scope_id):
        return None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        return None
    return address
