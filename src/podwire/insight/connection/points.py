"""One end of a connection as policies see it: pods of one kind, a node, or an address that may not be known. Pure."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator, Mapping

import msgspec

from podwire.insight.snapshot import assumed_dns
from podwire.insight.snapshot.pod_ranges import PodRanges, covers
from podwire.insight.snapshot.policy_view import pod_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace, Workload
from podwire.kube.addresses import parsed
from podwire.kube.core import Node
from podwire.policy.model import Block, Identity, IPAddress, IPNetwork, Party, named_ports

_SAMPLES: Mapping[int, IPAddress] = {4: ipaddress.ip_address("203.0.113.1"), 6: ipaddress.ip_address("2001:db8::1")}
"""Addresses for documentation (RFC 5737 and 3849), for ends whose address is not known."""


_PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
"""Networks that no host outside has an address of (RFC 1918, 6598 and 4193)."""


class Kind(enum.Enum):
    """What the end is."""

    POD = "pod"
    NODE = "node"
    ADDRESS = "address"
    OUTSIDE = "outside"
    """Any address of the Internet."""


class Point(msgspec.Struct, frozen=True):
    """One end.

    Attributes:
        name: how answers call it.
        kind: what it is; pods of the nodes' network are a NODE.
        identity: that of pods; None for all others.
        workload: of pods, those of the nodes' network too.
        addresses: those that are known, of the family of the connection; empty where none is.
        networks: where the address will be, if none is known; of an ADDRESS the network that is meant.
        family: 4 or 6.
        node: its name, where it is known.
        requested: of a host the name that clients look up, where that is an alias.
        is_passage: of a node: it forwards connections of clients outside to pods of other nodes, by its own address.

    """

    name: str
    kind: Kind
    family: int = 4
    identity: Identity | None = None
    workload: Workload | None = None
    addresses: tuple[IPAddress, ...] = ()
    networks: tuple[IPNetwork, ...] = ()
    node: str = ""
    requested: str = ""
    is_passage: bool = False

    def party(self, number: int) -> Party:
        """Return the end for the model: with a known address, else with one of a number that it may have."""
        found = self.addresses[0] if self.addresses else None
        found = found or next((one[number] for one in self.networks), _SAMPLES[self.family] + number)
        return Party(found, self.identity, self.node)

    @property
    def blocks(self) -> tuple[IPNetwork, ...]:
        """The networks that hold nothing but an end of no pod; none where no address of it is known."""
        if self.addresses:
            return tuple(map(ipaddress.ip_network, self.addresses))
        return self.networks if self.kind is Kind.ADDRESS else ()

    def held_by(self, block: Block) -> bool | None:
        """Whether the block holds it; None where that depends on an address that is not known."""
        if block.network.version != self.family:
            return False
        if self.addresses:
            found = {block.holds(one) for one in self.addresses}
            return found.pop() if len(found) == 1 else None
        if self.kind is Kind.POD or self.networks:
            return PodRanges(self.networks).holds(block)
        if block.network.prefixlen == 0:
            public = self.kind is Kind.OUTSIDE and all(map(_is_private, block.excepts))
            return True if public or not block.excepts else None
        return False if self.kind is Kind.OUTSIDE and _is_private(block.network) else None


def _is_private(network: IPNetwork) -> bool:
    return any(covers(one, network) for one in _PRIVATE)


def of_workload(workload: Workload, pod: PodPlace | None, family: int, snapshot: Snapshot) -> Point:
    """Return the pods of a workload, or one of them."""
    pods = (pod,) if pod is not None else tuple(one for one in workload.pods if not one.is_finished)
    addresses = (parsed(text) for one in pods for text in one.addresses)
    known = tuple(one for one in addresses if one is not None and one.version == family)
    nodes = {one.node for one in pods}
    name = f"{workload.namespace}/{pod.name}" if pod is not None else str(workload)
    node = nodes.pop() if len(nodes) == 1 else ""
    if workload.spec.host_network:
        return Point(name, Kind.NODE, family, workload=workload, addresses=known, node=node)
    made = pod_of(workload)
    identity = Identity(workload.namespace, tuple(sorted(workload.labels.items())), named_ports(made))
    networks = tuple(one for one in snapshot.pod_ranges.networks if one.version == family)
    return Point(name, Kind.POD, family, identity, workload, known, networks, node)


def of_node(node: Node, family: int) -> Point:
    """Return a node."""
    found = tuple(one for one in map(parsed, node.internal_addresses) if one is not None and one.version == family)
    return Point(f"node {node.metadata.name}", Kind.NODE, family, addresses=found, node=node.metadata.name)


def nodes(snapshot: Snapshot, family: int) -> Iterator[Point]:
    """Yield the nodes that forward connections from outside to other nodes, with their own address as the client's."""
    for one in snapshot.nodes:
        found = of_node(one, family)
        if found.addresses:
            yield msgspec.structs.replace(found, name=f"through {found.name}", is_passage=True)
    if not snapshot.nodes:
        yield Point("through a node", Kind.NODE, family, is_passage=True)


def of_address(address: IPAddress, name: str = "") -> Point:
    """Return an address of no pod and no node."""
    return Point(name or str(address), Kind.ADDRESS, address.version, addresses=(address,))


def of_network(network: IPNetwork) -> Point:
    """Return any address of a network, of no pod and no node."""
    return Point(str(network), Kind.ADDRESS, network.version, networks=(network,))


def dns_point(family: int, snapshot: Snapshot) -> Point:
    """Return the pods of the cluster's DNS; where none are known, those that every cluster has."""
    found = (one for one in snapshot.workloads if assumed_dns.is_server(one.namespace, one.labels))
    return of_workload(next(found, assumed_dns.WORKLOAD), None, family, snapshot)


def outside(family: int) -> Point:
    """Return any client or server on the Internet."""
    return Point("outside", Kind.OUTSIDE, family)


def host(name: str, family: int, requested: str = "") -> Point:
    """Return a host that only its name is known of."""
    return Point(name, Kind.ADDRESS, family, requested=requested)
