"""What the DNS server keeps of Services, EndpointSlices and Namespaces: the parts of names, packed.

A large cluster has 100,000 endpoints: of each only its address is kept, as the bytes that answers have, and one byte
of conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from podwire.dns.model import NamedPort, external_target, is_label, named_ports
from podwire.kube.addresses import canonical, packed
from podwire.kube.backends import Member, members
from podwire.kube.core import Namespace
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

ValueT = TypeVar("ValueT", str, bytes, tuple[NamedPort, ...])

READY, SERVING, TERMINATING = 1, 2, 4
"""Bits of the conditions of an endpoint."""
MOST_SHARED = 4096
"""Values that are kept once for all objects; more begin again."""
_ANY_SERVICE = Service()


class KeptNamespace(msgspec.Struct, frozen=True, gc=False):
    """A Namespace."""

    key: NamespacedName


class KeptService(msgspec.Struct, frozen=True, gc=False):
    """A Service.

    Attributes:
        key: its name.
        target: of an ExternalName, without the last dot; None for all others.
        headless: whether its name resolves to the endpoints.
        publishes: whether endpoints that are not ready have names too.
        addresses: its own addresses, packed.
        ports: all ports; the name of one that SRV records cannot name is empty.

    """

    key: NamespacedName
    target: str | None
    headless: bool
    publishes: bool
    addresses: tuple[bytes, ...]
    ports: tuple[NamedPort, ...]


class KeptSlice(msgspec.Struct, frozen=True, gc=False):
    """An EndpointSlice.

    Attributes:
        key: its name.
        owner: the name of its Service; empty for none.
        size: bytes of an address, 4 or 16.
        addresses: those of all endpoints, one behind the other.
        conditions: a byte of bits for each endpoint.
        labels: the hostname of each endpoint, empty for those without one; empty where none has one.
        ports: those of all endpoints; the name of one that SRV records cannot name is empty.

    """

    key: NamespacedName
    owner: str
    size: int
    addresses: bytes
    conditions: bytes
    labels: tuple[str, ...]
    ports: tuple[NamedPort, ...]

    @property
    def service(self) -> NamespacedName:
        """The Service that the slice belongs to; its name is empty where the slice names none."""
        return NamespacedName(self.key.namespace, self.owner)


class Keeper:
    """Packs the objects of one process, with one copy of what many of them have in common."""

    def __init__(self) -> None:
        self._shared: dict[object, object] = {}

    def namespace(self, namespace: Namespace) -> KeptNamespace:
        """The name."""
        return KeptNamespace(namespace.key)

    def service(self, service: Service) -> KeptService:
        """Addresses, ports, or the external name."""
        external = service.spec.type == "ExternalName"
        return KeptService(
            self._key(service.key),
            (external_target(service) or "") if external else None,
            service.headless,
            service.spec.publish_not_ready_addresses,
            tuple(packed(one) for one in map(canonical, service.addresses) if one),
            self._once(named_ports(service)),
        )

    def endpoint_slice(self, piece: EndpointSlice) -> KeptSlice:
        """Endpoints with an address that traffic may be sent to, in the order that a Service's names have."""
        found = [member for member, _ in members(_ANY_SERVICE, (piece,))]
        found.sort(key=lambda one: (_label(one), packed(one.address)))
        labels = tuple(map(_label, found))
        return KeptSlice(
            self._key(piece.key),
            piece.service.name,
            16 if piece.address_type == "IPv6" else 4,
            b"".join([packed(one.address) for one in found]),
            self._conditions(found),
            labels if any(labels) else (),
            self._once(
                tuple(
                    NamedPort(port.name if is_label(port.name) else "", port.protocol.lower(), port.port)
                    for port in piece.ports
                    if port.port is not None
                )
            ),
        )

    def _key(self, key: NamespacedName) -> NamespacedName:
        return NamespacedName(self._once(key.namespace), key.name)

    def _conditions(self, found: Sequence[Member]) -> bytes:
        bits = bytes([one.ready * READY | one.serving * SERVING | one.terminating * TERMINATING for one in found])
        return self._once(bits) if len(set(bits)) == 1 else bits

    def _once(self, value: ValueT) -> ValueT:
        if len(self._shared) > MOST_SHARED:
            self._shared.clear()
        return self._shared.setdefault(value, value)  # type: ignore[return-value]  # the key is an equal value


def _label(member: Member) -> str:
    """The hostname, where it can be part of a name."""
    return member.hostname if is_label(member.hostname) else ""
