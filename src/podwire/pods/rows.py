"""Rows of the pods' network on this node: elements of pods.nft, and the routes to other nodes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

import msgspec

from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress, IPNetwork, Word
from podwire.pods.attachment import Attachment
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, NodeNetwork, Overlay, tunnel_address, tunnel_version
from podwire.pods.uplink import Hop, Uplink, neighbour

TUNNEL = "podwire.vxlan"
"""The VXLAN device; pods.nft knows it by this name."""


def source_rows(attachment: Attachment) -> Iterator[ElementRow]:
    """What a local pod may send from."""
    for address in attachment.addresses:
        yield ElementRow(f"sources{address.version}", (Word(attachment.host_interface), address))


def cluster_rows(cluster: Cluster) -> Iterator[ElementRow]:
    """The pod ranges, who reaches pods beside pods and nodes, and the tunnel's port."""
    for network in cluster.ranges:
        yield ElementRow(f"ranges{network.version}", (network,))
        if cluster.overlay and cluster.requires_tunnel:
            yield ElementRow(f"tunnelled{network.version}", (network,))
    for network in cluster.access:
        yield ElementRow(f"access{network.version}", (network,))
    if cluster.overlay:
        yield ElementRow("ports", (cluster.overlay.port,))


def api_server_rows(addresses: Iterable[IPAddress]) -> Iterator[ElementRow]:
    """Let these reach pods as nodes do."""
    for address in addresses:
        yield ElementRow(f"servers{address.version}", (address,))


def node_rows(node: NodeNetwork, own: str, cluster: Cluster, uplink: Uplink | None = None) -> Iterator[ElementRow]:
    """What the rules know of one node."""
    for address in node.addresses:
        yield ElementRow(f"nodes{address.version}", (address,))
        if cluster.overlay and node.name != own:
            yield ElementRow(f"peers{address.version}", (address,))
    if cluster.requires_tunnel and Mode.CROSS_SUBNET in cluster.modes and uplink is not None and node.name != own:
        for network in node.all_ranges:
            if neighbour(node, uplink, network.version) is not None:
                yield ElementRow(f"neighbours{network.version}", (network,))


class TunnelRow(msgspec.Struct, frozen=True):
    """The VXLAN device of this node."""

    identifier: int
    port: int
    local: IPAddress
    mac: str
    mtu: int
    stage: int = 0

    @property
    def key(self) -> Hashable:
        """There is one."""
        return TUNNEL

    def __str__(self) -> str:
        return f"vxlan {self.identifier} port {self.port} from {self.local}, {self.mac}, mtu {self.mtu}"


class TunnelAddressRow(msgspec.Struct, frozen=True):
    """The node's own address on its VXLAN device: what it sends to other nodes' pods from."""

    address: IPAddress
    stage: int = 1

    @property
    def key(self) -> Hashable:
        """The address."""
        return ("address", self.address)

    def __str__(self) -> str:
        return f"address {self.address} on the tunnel"


class NeighbourRow(msgspec.Struct, frozen=True):
    """The hardware address of another node's VXLAN device."""

    address: IPAddress
    mac: str
    stage: int = 2

    @property
    def key(self) -> Hashable:
        """The address: it has one hardware address."""
        return ("neighbour", self.address)

    def __str__(self) -> str:
        return f"neighbour {self.address} is {self.mac}"


class ForwardingRow(msgspec.Struct, frozen=True):
    """The node address behind which a hardware address of the VXLAN network lives."""

    mac: str
    address: IPAddress
    stage: int = 2

    @property
    def key(self) -> Hashable:
        """The hardware address: it lives in one place."""
        return ("forwarding", self.mac)

    def __str__(self) -> str:
        return f"forward {self.mac} to {self.address}"


class RouteRow(msgspec.Struct, frozen=True):
    """The route to a range of pods. Without a gateway it is unreachable: the sender gets an error at once.

    `link` is the index of the link that leads to the gateway where the gateway is a router; else the kernel finds it.
    """

    destination: IPNetwork
    gateway: IPAddress | None = None
    tunnel: bool = False
    source: IPAddress | None = None
    link: int = 0
    stage: int = 3

    @property
    def key(self) -> Hashable:
        """The destination: there is one way to it."""
        return ("route", self.destination)

    def __str__(self) -> str:
        if self.gateway is None:
            return f"route {self.destination} unreachable"
        return f"route {self.destination} via {self.gateway}" + (" through the tunnel" if self.tunnel else "")


NodeRouteRow = TunnelRow | TunnelAddressRow | NeighbourRow | ForwardingRow | RouteRow


Routers = Callable[[IPAddress], Hop | None]
"""Returns the router that leads to an address; None where there is none."""


def no_router(_: IPAddress) -> Hop | None:
    """No address is behind a router."""
    return None


def own_routes(own: NodeNetwork, cluster: Cluster, mtu: int) -> Iterator[NodeRouteRow]:
    """What this node itself needs: its tunnel with the pods' mtu, and no way for addresses that no pod has.

    Without the unreachable routes a packet to a pod that is gone would follow the default route out of the cluster.
    """
    for network in own.ranges if cluster.mode is Mode.NONE else {*cluster.ranges, *own.all_ranges}:
        yield RouteRow(network)
    if cluster.overlay is None:
        return
    overlay = cluster.overlay
    local = own.address(tunnel_version(own, overlay))
    if local is None:
        return
    yield TunnelRow(overlay.identifier, overlay.port, local, own.tunnel_mac, mtu)
    for network in own.all_ranges:
        yield TunnelAddressRow(tunnel_address(network))


def peer_routes(
    peer: NodeNetwork, own: NodeNetwork, cluster: Cluster, uplink: Uplink, routers: Routers = no_router
) -> Iterator[NodeRouteRow]:
    """The ways to another node's pods: by its address, by a router, or through the tunnel."""
    tunnelled: list[IPNetwork] = []
    for network in peer.all_ranges:
        near = neighbour(peer, uplink, network.version)
        address = near or peer.address(network.version)
        match cluster.mode:
            case Mode.NONE:
                pass
            case Mode.VXLAN:
                tunnelled.append(network)
            case Mode.CROSS_SUBNET if near is None:
                tunnelled.append(network)
            case Mode.ROUTED if near is None and address is not None:
                if (hop := routers(address)) is not None:
                    yield RouteRow(network, hop.gateway, link=hop.link)
            case _:
                if address is not None:
                    yield RouteRow(network, address)
    outer = tunnel_end(peer, own, cluster.vxlan, uplink)
    if tunnelled and outer is not None:
        yield from _tunnelled(peer, own, outer, tunnelled)


def tunnel_end(peer: NodeNetwork, own: NodeNetwork, overlay: Overlay, uplink: Uplink) -> IPAddress | None:
    """The peer's address that VXLAN is sent to: one in a subnet of this node's own, as that is the nearest way.

    On any other way strict reverse path filtering of the peer would drop it.
    """
    version = tunnel_version(own, overlay)
    if own.address(version) is None:
        return None
    return neighbour(peer, uplink, version) or peer.address(version)


def _tunnelled(
    peer: NodeNetwork, own: NodeNetwork, outer: IPAddress, networks: Sequence[IPNetwork]
) -> Iterator[NodeRouteRow]:
    yield ForwardingRow(peer.tunnel_mac, outer)
    sources = {network.version: tunnel_address(network) for network in reversed(own.all_ranges)}
    for network in networks:
        if network.version in sources:
            gateway = tunnel_address(network)
            yield NeighbourRow(gateway, peer.tunnel_mac)
            yield RouteRow(network, gateway, tunnel=True, source=sources[network.version])
