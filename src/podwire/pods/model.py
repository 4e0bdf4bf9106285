"""What the cluster's Nodes mean for the pods' network. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Sequence

import msgspec

from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kube.addresses import usable
from podwire.kube.core import Node
from podwire.kube.pod_pools import NamespacePool, ranges_by_pool
from podwire.pods.mode import Mode

VXLAN_OVERHEAD = {4: 50, 6: 70}
"""Bytes that VXLAN adds to a packet: Ethernet 14, VXLAN 8, UDP 8, and the outer IPv4 20 or IPv6 40 (RFC 7348)."""
MASQUERADE_PORTS = range(32768, 65536)
"""Source ports of masqueraded packets, as pods.nft has them."""


class Overlay(msgspec.Struct, frozen=True):
    """VXLAN between the nodes: its network identifier and UDP port. Raises ValueError for ones that cannot work.

    `version` is the IP version of the packets that carry it; 0: IPv4 from nodes that have such an address.
    """

    identifier: int = 1
    port: int = 8472
    version: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.identifier < 1 << 24:
            raise ValueError(f"VXLAN identifier {self.identifier}: a number from 1 to 16777215 is needed (RFC 7348)")
        if not 0 < self.port < MASQUERADE_PORTS.start:
            raise ValueError(
                f"VXLAN port {self.port}: a port below {MASQUERADE_PORTS.start} is needed; those above are the source "
                "ports of masqueraded packets, whose answers would be taken for VXLAN"
            )


class Cluster(msgspec.Struct, frozen=True):
    """What holds for all nodes.

    Attributes:
        ranges: the ranges of all pods, any number of each IP version.
        mode: how packets travel between nodes.
        accepts: another mode in which packets are received too, while the nodes change from one to the other.
        vxlan: the settings of the VXLAN device, for modes that have one.
        access: who reaches pods under their own addresses beside pods and nodes.
        underlay_mtu: the largest packet between nodes in bytes; None: that of the uplink.
        pools: of which the pods of some namespaces get their addresses; their ranges are among `ranges`.

    """

    ranges: tuple[IPNetwork, ...]
    mode: Mode = Mode.DIRECT
    accepts: Mode | None = None
    vxlan: Overlay = Overlay()
    access: tuple[IPNetwork, ...] = ()
    underlay_mtu: int | None = None
    pools: tuple[NamespacePool, ...] = ()

    @property
    def modes(self) -> frozenset[Mode]:
        """Every mode in which packets may come."""
        return frozenset(mode for mode in (self.mode, self.accepts) if mode is not None)

    @property
    def overlay(self) -> Overlay | None:
        """The VXLAN device's settings; None where this node has none."""
        return self.vxlan if any(mode.has_tunnel for mode in self.modes) else None

    @property
    def requires_tunnel(self) -> bool:
        """Whether a pod's address counts only when it comes through the tunnel, but for nodes of the same subnet."""
        return all(mode.has_tunnel for mode in self.modes)


class NodePool(msgspec.Struct, frozen=True):
    """What a node has of one pool of namespaces: at most one range of each IP version, IPv4 first."""

    name: str
    ranges: tuple[IPNetwork, ...]


class NodeNetwork(msgspec.Struct, frozen=True):
    """A node: the ranges of its pods, at most one of each IP version, and its own addresses in the underlay.

    `created` is when its Node was made (RFC 3339): of two that claim the same range the older one has it. `pools` are
    its ranges of the pools of namespaces.
    """

    name: str
    ranges: tuple[IPNetwork, ...] = ()
    addresses: tuple[IPAddress, ...] = ()
    created: str = ""
    pools: tuple[NodePool, ...] = ()

    @property
    def all_ranges(self) -> tuple[IPNetwork, ...]:
        """Every range of its pods, those of no pool first."""
        return (*self.ranges, *(network for pool in self.pools for network in pool.ranges))

    def address(self, version: int) -> IPAddress | None:
        """The first address of one IP version."""
        return next((address for address in self.addresses if address.version == version), None)

    def addresses_of(self, version: int) -> tuple[IPAddress, ...]:
        """All addresses of one IP version, in order."""
        return tuple(address for address in self.addresses if address.version == version)

    @property
    def tunnel_mac(self) -> str:
        """The hardware address of its VXLAN device.

        It follows from the name: it is the same after a restart, and every other node knows it without asking.
        """
        return "02:" + hashlib.sha256(self.name.encode()).digest()[:5].hex(":")


def read_node(node: Node, cluster: Cluster) -> tuple[NodeNetwork, tuple[str, ...]]:
    """The node, and what is wrong with it: ranges outside the cluster's and impossible addresses are left out."""
    ranges, faults = _ranges(node.spec.pod_cidrs or tuple(filter(None, [node.spec.pod_cidr])), cluster.ranges)
    addresses: list[IPAddress] = []
    for text in node.internal_addresses:
        address = usable(text)
        if address is None:
            faults.append(f"InternalIP {text!r} is no address of a node")
        else:
            addresses.append(address)
    name, created = node.metadata.name, node.metadata.creation_timestamp or ""
    pools = tuple(_pools(node, cluster, faults))
    network = NodeNetwork(name, tuple(ranges), tuple(addresses), created, pools)
    return network, tuple(f"node {name}: {fault}" for fault in faults)


def _ranges(texts: Sequence[str], allowed: Sequence[IPNetwork]) -> tuple[list[IPNetwork], list[str]]:
    ranges: list[IPNetwork] = []
    faults: list[str] = []
    for text in texts:
        if "%" in text:
            faults.append(f"podCIDR {text!r} is no range: it has a zone")
            continue
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            faults.append(f"podCIDR {text!r} is no range: {error}")
            continue
        if network.version in {known.version for known in ranges}:
            faults.append(f"podCIDR {text} is a second one of IPv{network.version}")
        elif any(_inside(network, outer) for outer in allowed):
            ranges.append(network)
        else:
            faults.append(f"podCIDR {text} is outside the cluster's pod ranges {', '.join(map(str, allowed))}")
    return sorted(ranges, key=lambda network: network.version), faults


def _pools(node: Node, cluster: Cluster, faults: list[str]) -> Iterator[NodePool]:
    """Its ranges of pools that this agent knows. Another size than the pool's would take addresses of other nodes."""
    given = ranges_by_pool(node.metadata.annotations) if cluster.pools else {}
    for pool in cluster.pools:
        ranges, others = pool.accepted(given.get(pool.name, ()))
        faults += [f"{text!r} is no range of pod pool {pool}" for text in others]
        if ranges:
            yield NodePool(pool.name, ranges)


def _inside(network: IPNetwork, outer: IPNetwork) -> bool:
    return (
        network.version == outer.version
        and int(outer.network_address) <= int(network.network_address)
        and (int(network.broadcast_address) <= int(outer.broadcast_address))
    )


def tunnel_version(own: NodeNetwork, overlay: Overlay) -> int:
    """The IP version of the packets that carry VXLAN: where it is not set IPv4 if the node has such an address."""
    return overlay.version or (4 if own.address(4) is not None else 6)


def pod_mtu(underlay_mtu: int, own: NodeNetwork, overlay: Overlay | None) -> int:
    """The largest packet of a pod, in bytes."""
    return underlay_mtu - (VXLAN_OVERHEAD[tunnel_version(own, overlay)] if overlay else 0)


def tunnel_address(network: IPNetwork) -> IPAddress:
    """A node's own address in a range of its pods, on its VXLAN device: the first after the network's."""
    return network[1]
