"""Service semantics: frontends (address, protocol, port) and the backends of each. Pure.

Sources: kubernetes.io "Virtual IPs and Service Proxies"; k8s.io/api `core/v1` Service, `discovery/v1` EndpointSlice.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.kube.addresses import canonical
from podwire.kube.backends import Backend, Member, PortKey, by_port, receiving
from podwire.kube.discovery import NOT_PROXIED, EndpointSlice
from podwire.kube.services import Service


class Protocol(enum.StrEnum):
    """The protocols that a Service can have, by nft's names for them."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Frontend(msgspec.Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """An address, protocol and port that clients connect to. The address is text in canonical form."""

    address: str
    protocol: Protocol
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


class NodeView(msgspec.Struct, frozen=True):
    """What a node knows of itself and of its cluster; ranges are texts such as 10.96.0.0/16."""

    name: str
    service_ranges: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """One frontend of a Service and its endpoints, each in a fixed order.

    New connections go to `backends`. Flows to those in `serving` may go on: a terminating endpoint gets no new ones
    while others are ready, but still answers the old ones.
    """

    frontend: Frontend
    backends: tuple[Backend, ...]
    serving: tuple[Backend, ...]
    local: tuple[str, ...]
    """The addresses of backends that may be pods of this node."""


def entries(service: Service, slices: Iterable[EndpointSlice], node: NodeView) -> Iterator[Entry]:
    """All frontends of a Service; none for headless ones, external names and Services of other proxies."""
    if NOT_PROXIED & service.metadata.labels.keys():
        return
    addresses = [address for address in map(canonical, service.addresses) if address]
    if not addresses:
        return
    found = by_port(service, [piece for piece in slices if not NOT_PROXIED & piece.metadata.labels.keys()])
    for port in service.spec.ports:
        for address in addresses:
            frontend = Frontend(address, Protocol[port.protocol], port.port)
            key = PortKey(port.name, port.protocol, frontend.family)
            yield _entry(frontend, found.get(key, {}), node)


def _entry(frontend: Frontend, members: Mapping[Backend, Member], node: NodeView) -> Entry:
    used = receiving(members)
    return Entry(
        frontend,
        backends=tuple(used),
        serving=tuple(backend for backend, member in members.items() if member.serving),
        local=tuple(backend.address for backend, member in used.items() if member.is_local(node.name)),
    )
