"""Ports of Services as their clients connect to them: what routes are attached to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.gateway.kinds.references import ParentReference
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

_TABLE = "mesh"


class Frontend(msgspec.Struct, frozen=True, order=True):
    """A port of a Service for TCP, as some clients see it.

    Attributes:
        client: namespace of the clients, which has routes of its own on the Service (consumer routes); empty: those of
            all other namespaces.

    """

    namespace: str
    service: str
    port: int
    client: str = ""

    @property
    def key(self) -> NamespacedName:
        """Name of the Service."""
        return NamespacedName(self.namespace, self.service)

    @property
    def table(self) -> str:
        """Name of the route table."""
        client = f"~from~{self.client}" if self.client else ""
        return f"{_TABLE}~{self.namespace}~{self.service}~{self.port}{client}"


def frontends(service: Service, client: str = "") -> tuple[Frontend, ...]:
    """Return those that a Service has for clients of a namespace, in the order of its ports."""
    key = service.key
    return tuple(Frontend(key.namespace, key.name, port, client) for port in _ports(service, ParentReference()))


def selected(service: Service, reference: ParentReference, client: str) -> tuple[Frontend, ...]:
    """Return those that a reference is for: by the number and by the name of a port, by both where both are given."""
    desired = frozenset(_ports(service, reference))
    return tuple(one for one in frontends(service, client) if one.port in desired)


def has_address(service: Service) -> bool:
    """Whether clients connect to an address of the Service itself, by which it is recognised."""
    return service.spec.type != "ExternalName" and service.spec.cluster_ip != "None"


def _ports(service: Service, reference: ParentReference) -> Iterator[int]:
    named: Iterable[tuple[str, int]] = ((one.name, one.port) for one in service.spec.ports if one.protocol == "TCP")
    for name, port in named:
        if reference.port in (None, 0, port) and reference.section_name in (None, "", name):
            yield port
