"""The backends of a Service: which endpoints its EndpointSlices name, and which of them receive connections. Pure.

Sources: k8s.io/api `discovery/v1` EndpointConditions; k8s.io/kubernetes `pkg/proxy/topology.go` CategorizeEndpoints.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from podwire.kube.addresses import canonical, family_of
from podwire.kube.discovery import Endpoint, EndpointPort, EndpointSlice, ObjectReference
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

log = logging.getLogger(__name__)

_FAMILIES = {"IPv4": 4, "IPv6": 6}


class Backend(msgspec.Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """Where a connection goes. The address is text in canonical form."""

    address: str
    port: int


class Member(msgspec.Struct, frozen=True, gc=False):
    """One endpoint of a Service, as its slice describes it.

    `ready` includes `publishNotReadyAddresses` of the Service. `node`, `zone` and `hostname` are empty where the slice
    does not name them; `zone_hints` and `node_hints` are where the endpoint's clients are meant to be.
    """

    address: str
    ready: bool
    serving: bool
    terminating: bool
    node: str = ""
    zone: str = ""
    zone_hints: tuple[str, ...] = ()
    node_hints: tuple[str, ...] = ()
    hostname: str = ""
    pod: NamespacedName | None = None

    @property
    def family(self) -> int:
        """4 or 6."""
        return family_of(self.address)

    @property
    def serves_terminating(self) -> bool:
        """Whether it still serves while it terminates: it is used where no other one is ready."""
        return self.serving and self.terminating

    def is_local(self, node: str) -> bool:
        """Whether it may be a pod of this node: its slice names this node, or none."""
        return self.node == node or not self.node


class PortKey(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What joins a port of a Service with a port of a slice: its name and its protocol, in one IP family."""

    name: str
    protocol: str
    family: int


KeyT = TypeVar("KeyT")


def members(service: Service, slices: Iterable[EndpointSlice]) -> Iterator[tuple[Member, tuple[EndpointPort, ...]]]:
    """Return all endpoints of a Service with the ports of their slice; those in several slices come several times."""
    for piece in slices:
        for endpoint in piece.endpoints:
            member = _member(service, piece, endpoint)
            if member is not None:
                yield member, piece.ports


def by_port(service: Service, slices: Iterable[EndpointSlice]) -> Mapping[PortKey, Mapping[Backend, Member]]:
    """Return the backends of each port, of all slices. One that several slices name is merged: any `ready` counts."""
    found: dict[PortKey, dict[Backend, Member]] = {}
    for piece in slices:
        family = _FAMILIES.get(piece.address_type, 0)
        ports = [
            (found.setdefault(PortKey(p.name, p.protocol, family), {}), p.port)
            for p in piece.ports
            if p.port is not None
        ]
        for endpoint in piece.endpoints:
            member = _member(service, piece, endpoint)
            if member is None:
                continue
            for backends, port in ports:
                known = backends.setdefault(Backend(member.address, port), member)
                if known is not member:
                    backends[Backend(member.address, port)] = merged(known, member)
    return found


def receiving(members: Mapping[KeyT, Member]) -> Mapping[KeyT, Member]:
    """Return those that new connections go to: the ready ones, and without any those that serve while they terminate.

    A rolling update of a single replica would lose connections otherwise.
    """
    ready = {key: member for key, member in members.items() if member.ready}
    return ready or {key: member for key, member in members.items() if member.serves_terminating}


def merged(one: Member | None, other: Member) -> Member:
    """Return one member for an endpoint that two slices name, the same whichever comes first."""
    if one is None or one == other:
        return other
    return Member(
        one.address,
        ready=one.ready or other.ready,
        serving=one.serving or other.serving,
        terminating=one.terminating and other.terminating,
        node=min(one.node, other.node),
        zone=min(one.zone, other.zone),
        zone_hints=min(one.zone_hints, other.zone_hints),
        node_hints=min(one.node_hints, other.node_hints),
        hostname=min(one.hostname, other.hostname),
        pod=min(filter(None, (one.pod, other.pod)), default=None),
    )


def _member(service: Service, piece: EndpointSlice, endpoint: Endpoint) -> Member | None:
    """Return None where the endpoint has no address of the slice's family that traffic may be sent to."""
    family = _FAMILIES.get(piece.address_type, 0)
    if not endpoint.addresses or not family:
        return None
    address = canonical(endpoint.addresses[0])
    if not address or (":" in address) != (family == 6):
        log.warning(
            "EndpointSlice %s: endpoints.addresses %r is no %s address that a Service may lead to; it is ignored: "
            "write the address of a pod or of another host",
            piece.key, endpoint.addresses[0], piece.address_type,
        )  # fmt: skip
        return None
    conditions, hints, target = endpoint.conditions, endpoint.hints, endpoint.target_ref
    ready = conditions.ready is not False or service.spec.publish_not_ready_addresses
    return Member(
        address,
        ready,
        ready or _serving(endpoint),
        conditions.terminating is True,
        endpoint.node_name,
        endpoint.zone,
        tuple([zone.name for zone in hints.for_zones]) if hints.for_zones else (),
        tuple([node.name for node in hints.for_nodes]) if hints.for_nodes else (),
        endpoint.hostname,
        None if target is None else _pod(target),
    )


def _pod(target: ObjectReference) -> NamespacedName | None:
    return NamespacedName(target.namespace, target.name) if target.kind == "Pod" else None


def _serving(endpoint: Endpoint) -> bool:
    """Whether it serves. An absent condition has the value of `ready`."""
    serving = endpoint.conditions.serving
    return endpoint.ready if serving is None else serving
