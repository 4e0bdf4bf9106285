"""What a Service means: where clients knock, and who stands behind. Pure.

Sources: kubernetes.io "Virtual IPs and Service Proxies"; k8s.io/api `core/v1` Service, `discovery/v1` EndpointSlice.
"""

from __future__ import annotations

import enum
import ipaddress
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.kube.core import Service
from podwire.kube.discovery import Endpoint, EndpointSlice

log = logging.getLogger(__name__)

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
"""A Service with this label belongs to another proxy."""
HEADLESS_LABEL = "service.kubernetes.io/headless"
"""A Service with this label is for names only."""

_FAMILIES = {"IPv4": 4, "IPv6": 6}
_MAPPED_IPV4 = 0xFFFF


class Protocol(enum.StrEnum):
    """The protocols that a Service can have, by nft's names for them."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Frontend(msgspec.Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """Where clients knock. The address is text in canonical form."""

    address: str
    protocol: Protocol
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


class Backend(msgspec.Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """Where a connection goes. The address is text in canonical form."""

    address: str
    port: int


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An endpoint of one port, with what decides whether it is used. `node` is empty where nobody said."""

    backend: Backend
    ready: bool
    serving: bool
    node: str


class NodeView(msgspec.Struct, frozen=True):
    """What a node knows of itself and of its cluster; ranges are texts such as 10.96.0.0/16."""

    name: str
    service_ranges: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """One frontend of a Service and its endpoints, each in a fixed order.

    New connections go to `backends`. Flows to those in `serving` may go on: an endpoint that ends is no longer used for
    new ones, but still answers the old ones.
    """

    frontend: Frontend
    backends: tuple[Backend, ...]
    serving: tuple[Backend, ...]
    local: tuple[str, ...]
    """The addresses of backends that may be pods of this node."""


def entries(service: Service, slices: Iterable[EndpointSlice], node: NodeView) -> Iterator[Entry]:
    """All frontends of a Service; none for headless ones, external names and Services of other proxies."""
    labels = service.metadata.labels
    if PROXY_NAME_LABEL in labels or HEADLESS_LABEL in labels:
        return
    addresses = [address for address in map(canonical, service.addresses) if address]
    if not addresses:
        return
    found = _candidates(slices, publish_not_ready=service.spec.publish_not_ready_addresses)
    for port in service.spec.ports:
        for address in addresses:
            frontend = Frontend(address, Protocol[port.protocol], port.port)
            key = _PortKey(port.name, port.protocol, frontend.family)
            yield _entry(frontend, found.get(key, {}), node)


def canonical(text: str) -> str:
    """The address in canonical form; empty for text that is none, and for addresses with a zone or leading zeros."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return "" if "%" in text else str(address)


def endpoint_address(text: str) -> str:
    """The address of an endpoint in canonical form; empty where connections must never be led.

    Loopback, link-local, multicast, unspecified and IPv4-mapped addresses would lead to the node itself or to its
    neighbours, whoever wrote the slice (CVE-2021-25737).
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    number = int(address)
    if isinstance(address, ipaddress.IPv4Address):
        refused = number >> 24 in {0, 127} or number >> 16 == 0xA9FE or number >> 28 >= 0xE
    else:
        top = number >> 118
        refused = "%" in text or number >> 32 in {0, _MAPPED_IPV4} or top == 0x3FA or top >> 2 == 0xFF
    return "" if refused else str(address)


class _PortKey(msgspec.Struct, frozen=True):
    """What joins a port of a Service with a port of a slice."""

    name: str
    protocol: str
    family: int


_Candidates = Mapping[Backend, Candidate]


def _entry(frontend: Frontend, found: _Candidates, node: NodeView) -> Entry:
    used = [candidate for candidate in found.values() if candidate.ready]
    return Entry(
        frontend,
        backends=tuple(candidate.backend for candidate in used),
        serving=tuple(candidate.backend for candidate in found.values() if candidate.serving),
        local=tuple(candidate.backend.address for candidate in used if candidate.node in {"", node.name}),
    )


def _candidates(slices: Iterable[EndpointSlice], *, publish_not_ready: bool) -> Mapping[_PortKey, _Candidates]:
    """The endpoints of all slices by port; one that stands in several slices counts once."""
    found: defaultdict[_PortKey, dict[Backend, Candidate]] = defaultdict(dict)
    for piece in slices:
        family = _FAMILIES.get(piece.address_type, 0)
        ports = [(found[_PortKey(p.name, p.protocol, family)], p.port) for p in piece.ports if p.port is not None]
        for endpoint in piece.endpoints:
            address = _address(piece, endpoint, family)
            if not address:
                continue
            ready = endpoint.ready or publish_not_ready
            serving = ready or _serving(endpoint)
            for same, port in ports:
                backend = Backend(address, port)
                candidate = Candidate(backend, ready, serving, endpoint.node_name)
                same[backend] = _merged(same.get(backend), candidate)
    return found


def _address(piece: EndpointSlice, endpoint: Endpoint, family: int) -> str:
    """The endpoint's address, empty where it has none of this family that may be used."""
    if not endpoint.addresses or not family:
        return ""
    address = endpoint_address(endpoint.addresses[0])
    if not address or (":" in address) != (family == 6):
        log.warning(
            "EndpointSlice %s: endpoints.addresses %r is no %s address that a Service may lead to; it is ignored: "
            "write the address of a pod or of another host",
            piece.key, endpoint.addresses[0], piece.address_type,
        )  # fmt: skip
        return ""
    return address


def _serving(endpoint: Endpoint) -> bool:
    """Whether it still answers; who does not say serves when it is ready."""
    serving = endpoint.conditions.serving
    return endpoint.ready if serving is None else serving


def _merged(one: Candidate | None, other: Candidate) -> Candidate:
    if one is None or one == other:
        return other
    return Candidate(one.backend, one.ready or other.ready, one.serving or other.serving, min(one.node, other.node))
