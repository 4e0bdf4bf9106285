"""What Services and their endpoints mean to a DNS server. Pure.

Sources: kubernetes/dns `docs/specification.md` (schema 1.1.0), discovery/v1 (EndpointSlice), CoreDNS plugin kubernetes.
Objects are hostile input here too: what is no address or no label gives no name, and never an error.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from podwire.dns.names import LONGEST_NAME, IPAddress
from podwire.kube.addresses import usable
from podwire.kube.backends import Member, members, merged, receiving
from podwire.kube.discovery import EndpointPort, EndpointSlice
from podwire.kube.services import Service

_LABEL = re.compile(r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?", re.IGNORECASE)
LONGEST_EXTERNAL_NAME = LONGEST_NAME - 2


class NamedPort(msgspec.Struct, frozen=True):
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
    """Whether this is a label of a name: letters, digits, `-`, `_`; 1 to 63 of them."""
    return _LABEL.fullmatch(text) is not None


def external_target(service: Service) -> str | None:
    """The target of an ExternalName Service, without the last dot; None where it is no name."""
    name = service.spec.external_name.removesuffix(".")
    if len(name) <= LONGEST_EXTERNAL_NAME and all(map(is_label, name.split("."))):
        return name
    return None


def cluster_addresses(service: Service) -> Iterator[IPAddress]:
    """The Service's own addresses, of both families."""
    return (address for address in map(usable, service.addresses) if address is not None)


def named_ports(service: Service) -> tuple[NamedPort, ...]:
    """The ports of a Service that have a name; others have no SRV record."""
    return tuple(
        NamedPort(port.name, port.protocol.lower(), port.port) for port in service.spec.ports if is_label(port.name)
    )


def hosts(service: Service, slices: Iterable[EndpointSlice]) -> frozenset[Host]:
    """Return the endpoints that have names: those that connections to the Service may go to.

    They are the ready ones (all, where the Service publishes the others too), or those that serve while they
    terminate when none is ready.
    """
    found: dict[Host, Member] = {}
    for member, ports in members(service, slices):
        address = ipaddress.ip_address(member.address)
        label = member.hostname if is_label(member.hostname) else dashed(address)
        host = Host(label, address, _named(ports))
        found[host] = merged(found.get(host), member)
    return frozenset(receiving(found))


def _named(ports: Iterable[EndpointPort]) -> tuple[NamedPort, ...]:
    return tuple(
        NamedPort(port.name, port.protocol.lower(), port.port)
        for port in ports
        if port.port is not None and is_label(port.name)
    )


def dashed(address: IPAddress) -> str:
    """The label of an endpoint without a hostname, made from its address: `10-244-1-2`, `fd00-10-244--1`.

    A label may not begin or end with a dash, which only short forms such as `::1` or `fd00::` would: they are
    written in full.
    """
    text = str(address)
    if text.startswith(":") or text.endswith(":"):
        text = address.exploded
    return text.replace(".", "-").replace(":", "-")
