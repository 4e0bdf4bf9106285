"""What Services and their endpoints mean to a DNS server. Pure.

Sources: kubernetes/dns `docs/specification.md` (schema 1.1.0), discovery/v1 (EndpointSlice), CoreDNS plugin kubernetes.
Objects are hostile input here too: what is no address or no label gives no name, and never an error.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from podwire.dns.names import LONGEST_NAME, IPAddress
from podwire.kube.services import Service

_LABEL = re.compile(r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?", re.IGNORECASE)
LONGEST_EXTERNAL_NAME = LONGEST_NAME - 2


class NamedPort(msgspec.Struct, frozen=True, order=True, gc=False):
    """A port as SRV records name it. Protocol in lower case."""

    name: str
    protocol: str
    port: int


def is_label(text: str) -> bool:
    """Whether this is a label of a name: letters, digits, `-`, `_`; 1 to 63 of them."""
    return _LABEL.fullmatch(text) is not None


def external_target(service: Service) -> str | None:
    """The target of an ExternalName Service, without the last dot; None where it is no name."""
    name = service.spec.external_name.removesuffix(".")
    if len(name) <= LONGEST_EXTERNAL_NAME and all(map(is_label, name.split("."))):
        return name
    return None


def named_ports(service: Service) -> tuple[NamedPort, ...]:
    """All ports of a Service; the name of one that SRV records cannot name is empty."""
    return tuple(
        NamedPort(port.name if is_label(port.name) else "", port.protocol.lower(), port.port)
        for port in service.spec.ports
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


def undashed(label: str, size: int) -> bytes | None:
    """The packed address of 4 or 16 bytes whose label this is; None where it is none's."""
    try:
        address: IPAddress = (
            ipaddress.IPv4Address(label.replace("-", "."))
            if size == 4
            else ipaddress.IPv6Address(label.replace("-", ":"))
        )
    except ValueError:
        return None
    return address.packed if dashed(address) == label else None
